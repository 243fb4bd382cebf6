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
 * The file of client defaults, which {@code scorebridge reconcile --client-defaults} reads: a line of JSON for each
 * call that was answered with them, without input values. May be shared by threads, and the file by processes.
 */
final class DefaultsLog implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(DefaultsLog.class.getName());

  private final FileChannel file;

  /** Opens a file for appending, and creates it if needed; throws an UncheckedIOException if that can't be done. */
  DefaultsLog(Path path) {
    try {
      file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Writes a line for one call, waiting for the disk. If that fails, the error is logged and the call goes on. */
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
      // One write to a file opened for appending: the lines of several processes don't mix.
      file.write(ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8)));
    } catch (IOException error) {
      String told = "the client default of call " + requestId + " was not written to the file of client defaults";
      LOG.log(System.Logger.Level.ERROR, told, error);
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
