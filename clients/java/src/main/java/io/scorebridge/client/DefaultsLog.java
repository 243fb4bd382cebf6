package io.scorebridge.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.Locale;

/**
 * The file of client defaults: a line of JSON for each, without input values, which {@code scorebridge reconcile
 * --client-defaults} reads. May be shared by threads, and the file by processes.
 */
final class DefaultsLog implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(DefaultsLog.class.getName());

  private final FileChannel file;

  /** Opens a file for appending, and makes it if it is not there; an UncheckedIOException if that can't be done. */
  DefaultsLog(Path path) {
    try {
      file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Adds a line for one call, and waits for the disk; one that can't be written is told in the process' own log. */
  void add(String requestId, String model, int version, int rows, String reason, double defaultScore) {
    String line =
        String.format(
            Locale.ROOT,
            "{\"time\":\"%s\",\"request_id\":%s,\"model\":%s,\"version\":%d,\"rows\":%d,\"reason\":\"%s\","
                + "\"default_score\":%s}%n",
            Instant.now(),
            quoted(requestId),
            quoted(model),
            version,
            rows,
            reason,
            Double.isFinite(defaultScore) ? Double.toString(defaultScore) : "null");
    try {
      // One write to a file opened for appending: lines of several processes don't mix.
      file.write(ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8)));
    } catch (IOException error) {
      LOG.log(System.Logger.Level.ERROR, "a client default was not written to the file of defaults", error);
    }
  }

  /** Closes the file. */
  @Override
  public void close() {
    try {
      file.close();
    } catch (IOException error) {
      LOG.log(System.Logger.Level.WARNING, "the file of client defaults was not closed", error);
    }
  }

  private static String quoted(String text) {
    StringBuilder json = new StringBuilder("\"");
    for (char one : text.toCharArray()) {
      if (one == '"' || one == '\\') {
        json.append('\\').append(one);
      } else if (one < ' ') {
        json.append(String.format("\\u%04x", (int) one));
      } else {
        json.append(one);
      }
    }
    return json.append('"').toString();
  }
}
