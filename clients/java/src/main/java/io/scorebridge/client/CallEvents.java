package io.scorebridge.client;

import io.scorebridge.v1.ScoreRequest;
import java.time.Duration;
import java.util.function.Consumer;

/** Calls the caller's hook for every call that has ended, on the thread that ended it. May be shared by threads. */
final class CallEvents {
  private static final System.Logger LOG = System.getLogger(CallEvents.class.getName());

  private final Consumer<CallEvent> hook; // null for none

  /** Takes the caller's hook; null for none. */
  CallEvents(Consumer<CallEvent> hook) {
    this.hook = hook;
  }

  /**
   * Reports one call that ends now. An exception of the hook is logged, not thrown.
   *
   * @param rows the number of rows in the call.
   * @param began when the call began, by System.nanoTime.
   * @param source where the scores come from; null if the call ended with an error.
   * @param reason why the client gave its default score or raised an error; null if a gateway gave the scores.
   */
  void tell(ScoreRequest request, int rows, long began, Source source, String reason) {
    if (hook == null) {
      return;
    }
    Duration elapsed = Duration.ofNanos(System.nanoTime() - began);
    try {
      hook.accept(new CallEvent(request.getRequestId(), request.getModel(), rows, elapsed, source, reason));
    } catch (RuntimeException error) {
      String told = "the hook onCall raised an error; call " + request.getRequestId() + " is not affected";
      LOG.log(System.Logger.Level.ERROR, told, error);
    }
  }
}
