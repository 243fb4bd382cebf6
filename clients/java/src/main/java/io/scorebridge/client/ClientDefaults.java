package io.scorebridge.client;

import io.scorebridge.v1.ScoreRequest;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * The default scores that a client gave because no gateway answered: counts them by reason, and writes them to the file
 * of client defaults if there is one. May be shared by threads.
 */
final class ClientDefaults implements AutoCloseable {
  private final Map<String, LongAdder> rows = new ConcurrentHashMap<>(); // by reason
  private final DefaultsLog log; // null for none

  /** Opens the file of client defaults, null for none; throws an UncheckedIOException if that can't be done. */
  ClientDefaults(Path file) {
    log = file == null ? null : new DefaultsLog(file);
  }

  /** Counts {@code count} rows with a client default under their reason, and writes a line for their call. */
  void given(ScoreRequest request, int count, String reason) {
    rows.computeIfAbsent(reason, first -> new LongAdder()).add(count);
    if (log != null) {
      log.add(
          request.getRequestId(),
          request.getModel(),
          request.getVersion(),
          count,
          reason,
          request.getDefaultScore());
    }
  }

  /** Returns the number of rows that got a client default, by reason; a copy. */
  Map<String, Long> counts() {
    Map<String, Long> counts = new TreeMap<>();
    rows.forEach((reason, count) -> counts.put(reason, count.sum()));
    return counts;
  }

  /** Closes the file of client defaults, if there is one. */
  @Override
  public void close() {
    if (log != null) {
      log.close();
    }
  }
}
