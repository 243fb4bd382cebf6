package io.scorebridge.client;

import io.scorebridge.v1.DefaultPolicy;
import io.scorebridge.v1.ScoreRequest;
import io.scorebridge.v1.ScoreResponse;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * Calls that score: each ends with scores, with the client's default scores, or with an error, and is reported to the
 * caller's hook. May be shared by threads; nothing here waits.
 */
final class ScoreCalls {
  private final Connection connection;
  private final Outputs outputs;
  private final ClientDefaults defaults;
  private final CallEvents events;

  /** Takes the client's connection, and the outputs, which learn from answers and give the columns of defaults. */
  ScoreCalls(Connection connection, Outputs outputs, ClientDefaults defaults, CallEvents events) {
    this.connection = connection;
    this.outputs = outputs;
    this.defaults = defaults;
    this.events = events;
  }

  /**
   * Makes one call, if the circuit lets it through.
   *
   * @return a future that ends on a thread of gRPC, with the scores or a ScoringException. Cancelling the future
   *     cancels the call.
   */
  CompletableFuture<Scores> ask(ScoreRequest request, int rows, Patience patience) {
    long began = System.nanoTime();
    if (!admits(patience)) {
      return fallBack(request, rows, FailedCall.circuitOpen(), began);
    }
    CompletableFuture<Scores> scores = new CompletableFuture<>();
    var answer = connection.ask(Calls.SCORE, request, patience);
    Calls.cancelWith(scores, answer);
    answer.whenComplete(
        (response, error) -> {
          if (error == null) {
            pass(read(request, response, rows, began), scores);
          } else if (!answer.isCancelled()) {
            pass(fallBack(request, rows, FailedCall.of(error), began), scores);
          }
        });
    return scores;
  }

  /** Whether the circuit lets a call with this patience through. */
  boolean admits(Patience patience) {
    return connection.admits(patience);
  }

  /** Returns the client's default score for a call that failed, if it has one that may be given; else the error. */
  CompletableFuture<Scores> fallBack(ScoreRequest request, int rows, FailedCall failure, long began) {
    String reason = failure.reason();
    boolean never = request.getDefaultPolicy() == DefaultPolicy.DEFAULT_POLICY_NEVER;
    if (never || !request.hasDefaultScore() || !failure.fallsBack()) {
      events.tell(request, rows, began, null, reason);
      return CompletableFuture.failedFuture(failure.exception());
    }
    String model = request.getModel();
    defaults.given(request, rows, reason);
    events.tell(request, rows, began, Source.CLIENT_DEFAULT, reason);
    return CompletableFuture.completedFuture(
        Scores.byClient(
            request.getRequestId(),
            model,
            request.getVersion(),
            rows,
            outputs.defaults(model, rows, request.getDefaultScore()),
            failure));
  }

  /** Ends the second future as the first one ends; an error that a future has wrapped is passed on unwrapped. */
  static void pass(CompletableFuture<Scores> from, CompletableFuture<Scores> to) {
    from.whenComplete(
        (value, raised) -> {
          if (raised == null) {
            to.complete(value);
          } else {
            to.completeExceptionally(raised instanceof CompletionException ? raised.getCause() : raised);
          }
        });
  }

  /** Returns the scores in an answer; an answer that makes no sense is treated as a call that failed. */
  private CompletableFuture<Scores> read(ScoreRequest request, ScoreResponse response, int rows, long began) {
    Scores read;
    try {
      read = ScoreAnswer.read(response, rows);
    } catch (RuntimeException senseless) {
      // On a thread of gRPC the exception would be lost, and the caller would wait for ever.
      return fallBack(request, rows, FailedCall.of(senseless), began);
    }
    if (read.source() != Source.DEFAULT) {
      outputs.answered(request.getModel(), response);
    }
    events.tell(request, rows, began, read.source(), null);
    return CompletableFuture.completedFuture(read);
  }
}
