package io.scorebridge.client;

import io.scorebridge.v1.ScoreRequest;
import java.time.Duration;
import java.util.function.Consumer;

/** Tells the caller's hook of every call that has ended, on the thread that ended it. May be shared by threads. */
final class CallEvents {
  private static final System.Logger LOG = System.getLogger(CallEvents.class.getName());

  private final Consumer<CallEvent> hook; // null for none

  /** Without a hook, which is null then, nothing is told. */
  CallEvents(Consumer<CallEvent> hook) {
    this.hook = hook;
  }

  /**
   * Tells of one call. What the hook raises is logged.
   *
   * @param began when the call did, by System.nanoTime.
   * @param source null if the call ended with an error.
   * @param reason null if the gateway gave the scores.
   */
  void tell(ScoreRequest request, int rows, long began, Source source, String reason) {
    if (hook == null) {
      return;
    }
    Duration elapsed = Duration.ofNanos(System.nanoTime() - began);
    try {
      hook.accept(new CallEvent(request.getRequestId(), request.getModel(), rows, elapsed, source, reason));
    } catch (RuntimeException error) {
      LOG.log(System.Logger.Level.ERROR, "the hook for calls raised; the call goes on", error);
    }
  }
}
