package io.scorebridge.client;

import io.scorebridge.v1.ScoreRequest;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * The default scores that a client gave by itself, because no gateway answered: counted by reason, and kept in the file
 * of client defaults if there is one. May be shared by threads.
 */
final class ClientDefaults implements AutoCloseable {
  private final Map<String, LongAdder> rows = new ConcurrentHashMap<>(); // by reason
  private final DefaultsLog log; // null for none

  /** Opens the file, which is null for none; an UncheckedIOException if it can't be written. */
  ClientDefaults(Path file) {
    log = file == null ? null : new DefaultsLog(file);
  }

  /** Counts and keeps the default score of a call, in so many rows, for that reason. */
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

  /** How many rows got a default score, by reason; a copy. */
  Map<String, Long> counts() {
    Map<String, Long> counts = new TreeMap<>();
    rows.forEach((reason, count) -> counts.put(reason, count.sum()));
    return counts;
  }

  /** Closes the file. */
  @Override
  public void close() {
    if (log != null) {
      log.close();
    }
  }
}
