package io.scorebridge.client;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/**
 * Checks what callers give before anything is sent. Each method returns the valid value, or throws an
 * IllegalArgumentException that names the argument and what is allowed, and never shows the value. May be used by any
 * thread.
 */
final class Arguments {
  static final int LONGEST_ID = 128;
  static final int LONGEST_BIG_ID = 110; // each chunk's id is this id, a slash and the number of its first row

  // The gateway's own limits: it would refuse the call.
  private static final int MOST_LABELS = 64;
  private static final int MOST_TEXT_BYTES = 1024;

  private static final Duration MOST_TIME = Duration.ofSeconds(100_000_000); // what every clock can hold
  private static final Duration LEAST_KEEPALIVE = Duration.ofSeconds(10); // grpc-java silently raises shorter ones

  private Arguments() {}

  /** Checks that a value is not null. */
  static <T> T given(String argument, T value) {
    if (value == null) {
      throw new IllegalArgumentException(argument + " must not be null");
    }
    return value;
  }

  /** Checks that a length of time is over zero and at most 10^8 seconds. */
  static Duration time(String argument, Duration value) {
    given(argument, value);
    if (value.isZero() || value.isNegative() || value.compareTo(MOST_TIME) > 0) {
      throw new IllegalArgumentException(argument + " must be over 0 and at most 100000000 seconds");
    }
    return value;
  }

  /** Checks that a length of time is 10 to 10^8 seconds. */
  static Duration keepAliveTime(String argument, Duration value) {
    if (time(argument, value).compareTo(LEAST_KEEPALIVE) < 0) {
      throw new IllegalArgumentException(
          argument + " must be at least 10 seconds: gateways close connections that send pings more often");
    }
    return value;
  }

  /** Checks that a number is zero or more. */
  static int notNegative(String argument, int value) {
    if (value < 0) {
      throw new IllegalArgumentException(argument + " must be 0 or more");
    }
    return value;
  }

  /** Checks that a number is neither NaN nor infinite. */
  static double finite(String argument, double value) {
    if (!Double.isFinite(value)) {
      throw new IllegalArgumentException(argument + " must be a finite number, not NaN or infinity");
    }
    return value;
  }

  /** Checks that a text is valid Unicode and has at most 1024 bytes in UTF-8, as the gateway requires; may be empty. */
  static String text(String argument, String value) {
    int bytes = utf8Bytes(given(argument, value));
    if (bytes < 0) {
      throw new IllegalArgumentException(argument + " has half of a surrogate pair, which UTF-8 can't hold");
    }
    if (bytes > MOST_TEXT_BYTES) {
      throw new IllegalArgumentException(
          argument + " has " + bytes + " bytes; the gateway takes at most " + MOST_TEXT_BYTES);
    }
    return value;
  }

  /** Checks that a text is not empty, is valid Unicode and has at most 1024 bytes in UTF-8. */
  static String name(String argument, String value) {
    if (text(argument, value).isEmpty()) {
      throw new IllegalArgumentException(argument + " is empty");
    }
    return value;
  }

  /** Checks that a token is printable ASCII, which a header can hold; the message never holds the token. */
  static String token(String value) {
    given("what token supplies", value);
    if (value.isEmpty() || !value.chars().allMatch(one -> ' ' <= one && one <= '~')) {
      throw new IllegalArgumentException(
          "what token supplies is empty or not printable ASCII: does it end with a line break?");
    }
    return value;
  }

  /** Checks that a request id is 1 to 128 printable ASCII characters. */
  static String requestId(String value) {
    return id("requestId", given("requestId", value), LONGEST_ID);
  }

  /**
   * Checks that a big batch's request id, which begins the ids of its chunks, is 1 to 110 printable ASCII characters.
   */
  static String bigRequestId(String value) {
    return id("the requestId of a batch that is sent in several calls", value, LONGEST_BIG_ID);
  }

  /** Checks that each name of a column is a text that the gateway takes, and that no two are equal. */
  static List<String> columns(Collection<String> values) {
    Set<String> names = new LinkedHashSet<>();
    for (String value : given("columns", values)) {
      if (!names.add(text("the name of column " + names.size(), value))) {
        throw new IllegalArgumentException("two columns are named '" + value + "'");
      }
    }
    return List.copyOf(names);
  }

  /** Returns row keys as texts: a whole number in decimal digits, a UUID with its hyphens. */
  static List<String> rowKeys(Collection<?> values) {
    List<String> keys = new ArrayList<>(given("rowKeys", values).size());
    for (Object value : values) {
      String where = "the row key of row " + keys.size();
      given(where, value);
      if (!(value instanceof String || value instanceof Long || value instanceof Integer || value instanceof UUID)) {
        throw new IllegalArgumentException(
            where + " is a " + value.getClass().getName() + ": give a String, Long, Integer or UUID");
      }
      keys.add(text(where, value.toString()));
    }
    return List.copyOf(keys);
  }

  /** Checks that there are at most 64 labels, and that their names and values are texts that the gateway takes. */
  static Map<String, String> labels(Map<String, String> values) {
    if (given("labels", values).size() > MOST_LABELS) {
      throw new IllegalArgumentException(
          "labels has " + values.size() + " entries; the gateway takes at most " + MOST_LABELS);
    }
    Map<String, String> labels = new LinkedHashMap<>();
    values.forEach((key, value) -> labels.put(name("a label's name", key), text("the label '" + key + "'", value)));
    return Map.copyOf(labels);
  }

  /**
   * Returns the number of bytes of a text in UTF-8; -1 if the text has half of a surrogate pair, which Java would
   * silently send as a question mark.
   */
  static int utf8Bytes(String text) {
    int bytes = 0;
    for (int at = 0; at < text.length(); at++) {
      char one = text.charAt(at);
      if (!Character.isSurrogate(one)) {
        bytes += one < 0x80 ? 1 : one < 0x800 ? 2 : 3;
      } else if (Character.isHighSurrogate(one)
          && at + 1 < text.length()
          && Character.isLowSurrogate(text.charAt(at + 1))) {
        bytes += 4;
        at++;
      } else {
        return -1;
      }
    }
    return bytes;
  }

  private static String id(String argument, String value, int longest) {
    if (value.isEmpty() || value.length() > longest || !value.chars().allMatch(one -> ' ' <= one && one <= '~')) {
      throw new IllegalArgumentException(argument + " must be 1 to " + longest + " printable ASCII characters");
    }
    return value;
  }
}
