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
 * What callers give, checked before anything is sent. Each method returns what it was given, or throws an
 * IllegalArgumentException that names the argument and what would do, and never shows the value. May be used by any
 * thread.
 */
final class Arguments {
  static final int LONGEST_ID = 128;
  static final int LONGEST_BIG_ID = 110; // the ids of its chunks have a slash and the number of a row behind it

  // As the gateway has them: it would refuse the call.
  private static final int MOST_LABELS = 64;
  private static final int MOST_TEXT_BYTES = 1024;

  private static final Duration MOST_TIME = Duration.ofSeconds(100_000_000); // what every clock can hold
  private static final Duration LEAST_KEEPALIVE = Duration.ofSeconds(10); // grpc-java would raise less without a word

  private Arguments() {}

  /** Anything but null. */
  static <T> T given(String argument, T value) {
    if (value == null) {
      throw new IllegalArgumentException(argument + " must not be null");
    }
    return value;
  }

  /** A length of time over zero, of 10^8 seconds at most. */
  static Duration time(String argument, Duration value) {
    given(argument, value);
    if (value.isZero() || value.isNegative() || value.compareTo(MOST_TIME) > 0) {
      throw new IllegalArgumentException(argument + " must be positive, and 10^8 seconds at most");
    }
    return value;
  }

  /** A length of time of 10 to 10^8 seconds. */
  static Duration keepAliveTime(String argument, Duration value) {
    if (time(argument, value).compareTo(LEAST_KEEPALIVE) < 0) {
      throw new IllegalArgumentException(argument + " must be 10 seconds at least: gateways send away who pings more");
    }
    return value;
  }

  /** Zero or a positive number. */
  static int notNegative(String argument, int value) {
    if (value < 0) {
      throw new IllegalArgumentException(argument + " must not be negative");
    }
    return value;
  }

  /** Any number but NaN and the infinite ones. */
  static double finite(String argument, double value) {
    if (!Double.isFinite(value)) {
      throw new IllegalArgumentException(argument + " must be a finite number: NaN and infinity are no scores");
    }
    return value;
  }

  /** Any text that the gateway takes: valid Unicode of 1 KiB at most. */
  static String text(String argument, String value) {
    int bytes = utf8Bytes(given(argument, value));
    if (bytes < 0) {
      throw new IllegalArgumentException(argument + " has half of a surrogate pair, which UTF-8 can't hold");
    }
    if (bytes > MOST_TEXT_BYTES) {
      throw new IllegalArgumentException(argument + " has " + bytes + " bytes, and may have " + MOST_TEXT_BYTES);
    }
    return value;
  }

  /** A text that the gateway takes, and that is not empty. */
  static String name(String argument, String value) {
    if (text(argument, value).isEmpty()) {
      throw new IllegalArgumentException(argument + " must not be empty");
    }
    return value;
  }

  /** A request id: 1 to 128 printable ASCII characters. */
  static String requestId(String value) {
    return id("requestId", given("requestId", value), LONGEST_ID);
  }

  /** A big batch's request id, of which its chunks make theirs: 1 to 110 printable ASCII characters. */
  static String bigRequestId(String value) {
    return id("requestId of a batch that is sent in several calls", value, LONGEST_BIG_ID);
  }

  /** Names of columns, of which none may be there twice. */
  static List<String> columns(Collection<String> values) {
    Set<String> names = new LinkedHashSet<>();
    for (String value : given("columns", values)) {
      if (!names.add(text("the name of column " + names.size(), value))) {
        throw new IllegalArgumentException("two columns are named '" + value + "'");
      }
    }
    return List.copyOf(names);
  }

  /** Turns the ids of rows into texts: a whole number has decimal digits, a UUID its hyphens. */
  static List<String> rowKeys(Collection<?> values) {
    List<String> keys = new ArrayList<>(given("rowKeys", values).size());
    for (Object value : values) {
      String where = "the row key of row " + keys.size();
      given(where, value);
      if (!(value instanceof String || value instanceof Long || value instanceof Integer || value instanceof UUID)) {
        throw new IllegalArgumentException(
            where + " is a " + value.getClass().getName() + ": give String, Long, Integer or UUID");
      }
      keys.add(text(where, value.toString()));
    }
    return List.copyOf(keys);
  }

  /** Labels: 64 at most, whose keys and values are texts that the gateway takes. */
  static Map<String, String> labels(Map<String, String> values) {
    if (given("labels", values).size() > MOST_LABELS) {
      throw new IllegalArgumentException("labels has " + values.size() + " entries, and may have " + MOST_LABELS);
    }
    Map<String, String> labels = new LinkedHashMap<>();
    values.forEach((key, value) -> labels.put(text("a key of labels", key), text("the label '" + key + "'", value)));
    return Map.copyOf(labels);
  }

  /**
   * How many bytes a text has in UTF-8; -1 if it has half of a surrogate pair, for which a question mark would be sent.
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
