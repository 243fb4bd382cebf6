package io.scorebridge.client;

import io.grpc.CallOptions;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.scorebridge.v1.ListModelsRequest;
import io.scorebridge.v1.ScoreRequest;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/**
 * Scores batches at one or several gateways. Where no gateway gives an answer and the call has a default score, the
 * client returns that score within the call's timeout, marked as {@link Source#CLIENT_DEFAULT}.
 *
 * <p>May be shared by threads; make one client and keep it. Its futures are completed on threads of gRPC: code that is
 * chained to them must not block, or must name an executor of its own.
 */
public final class ScoringClient implements AutoCloseable {
  private static final Duration WARM_UP = Duration.ofSeconds(10);

  private final Connection connection;
  private final ClientDefaults defaults;
  private final ScoreCalls calls;
  private final ModelCalls models;
  private final Duration timeout; // null for none
  private final Double defaultScore; // null for none
  private volatile boolean closed;

  /** Made by {@link Builder#build}. */
  ScoringClient(Builder builder) {
    connection = new Connection(builder);
    defaults = new ClientDefaults(builder.defaultsLog);
    Outputs outputs = new Outputs();
    calls = new ScoreCalls(connection, outputs, defaults, new CallEvents(builder.onCall));
    models = new ModelCalls(connection, outputs);
    timeout = builder.timeout;
    defaultScore = builder.defaultScore;
  }

  /**
   * Begins a client.
   *
   * @param target "host:port" of a gateway, several of them between commas, or any target that gRPC knows, such as
   *     "dns:///scoring.example:50051". Calls take turns among all addresses. Write an IPv6 address in brackets.
   * @return a builder; not to be shared by threads.
   * @throws IllegalArgumentException if the target is null. {@link Builder#build} refuses any other target that is not
   *     valid.
   */
  public static Builder newBuilder(String target) {
    return new Builder(target);
  }

  /**
   * Begins a client by environment variables; an empty one counts as not set. SCOREBRIDGE_URL says where the gateways
   * are, SCOREBRIDGE_TOKEN_FILE which file holds the token, SCOREBRIDGE_TLS_CA which file the authorities,
   * SCOREBRIDGE_CLIENT_CERT and SCOREBRIDGE_CLIENT_KEY which files the client's certificate and key, and
   * SCOREBRIDGE_TIMEOUT_S the timeout of calls that give none, in seconds.
   *
   * @return a builder that the variables have preset, and whose methods override them; not to be shared by threads.
   * @throws IllegalArgumentException if SCOREBRIDGE_URL is not set, or a variable or file is not valid; the message
   *     names it, and never holds a token.
   * @throws java.io.UncheckedIOException if a file can't be read.
   */
  public static Builder fromEnv() {
    return Environment.builder(System.getenv());
  }

  /**
   * Scores a batch with the client's timeout and default score, and waits for the answer. An interrupt of the waiting
   * thread cancels the call, and the thread stays interrupted.
   *
   * @param model the model's name.
   * @param batch the rows; a big batch (over 10,000 rows or 1 MiB) of a row-wise model is sent in chunks, up to eight
   *     calls at once.
   * @return the scores; {@link Scores#source()} says whether they are the model's or default scores.
   * @throws ScoringException if the call brought no scores and no default score may be given; {@link
   *     ScoringException.Cancelled} if the thread was interrupted.
   * @throws IllegalArgumentException if an argument is null, the model's name is empty or over 1 KiB, or row keys or
   *     request id don't fit the batch; the message names the argument. Nothing was sent.
   * @throws IllegalStateException if the client is closed.
   */
  public Scores score(String model, Batch batch) {
    return score(model, batch, ScoreOptions.none());
  }

  /**
   * Scores a batch with options of its own, and waits for the answer. An interrupt of the waiting thread cancels the
   * call, and the thread stays interrupted.
   *
   * @param model the model's name.
   * @param batch the rows; a big batch (over 10,000 rows or 1 MiB) of a row-wise model is sent in chunks, up to eight
   *     calls at once.
   * @param options the call's options, such as timeout, default score, version and row keys.
   * @return the scores; {@link Scores#source()} says whether they are the model's or default scores.
   * @throws ScoringException if the call brought no scores and no default score may be given; {@link
   *     ScoringException.Cancelled} if the thread was interrupted.
   * @throws IllegalArgumentException if an argument is null, the model's name is empty or over 1 KiB, or row keys or
   *     request id don't fit the batch; the message names the argument. Nothing was sent.
   * @throws IllegalStateException if the client is closed.
   */
  public Scores score(String model, Batch batch, ScoreOptions options) {
    return await(scoreAsync(model, batch, options));
  }

  /**
   * Scores a batch with the client's timeout and default score, without waiting for the answer.
   *
   * @param model the model's name.
   * @param batch the rows; a big batch (over 10,000 rows or 1 MiB) of a row-wise model is sent in chunks, up to eight
   *     calls at once. Must not be changed until the future has ended.
   * @return a future that ends with the scores or a {@link ScoringException}, on a thread of gRPC. Cancelling the
   *     future cancels the call at the gateway too, which then stops waiting for the model.
   * @throws IllegalArgumentException if an argument is null, or the model's name is empty or over 1 KiB; the message
   *     names the argument. Nothing was sent.
   * @throws IllegalStateException if the client is closed.
   */
  public CompletableFuture<Scores> scoreAsync(String model, Batch batch) {
    return scoreAsync(model, batch, ScoreOptions.none());
  }

  /**
   * Scores a batch with options of its own, without waiting for the answer.
   *
   * @param model the model's name.
   * @param batch the rows; a big batch (over 10,000 rows or 1 MiB) of a row-wise model is sent in chunks, up to eight
   *     calls at once. Must not be changed until the future has ended.
   * @param options the call's options, such as timeout, default score, version and row keys.
   * @return a future that ends with the scores or a {@link ScoringException}, on a thread of gRPC. Cancelling the
   *     future cancels the call at the gateway too, which then stops waiting for the model.
   * @throws IllegalArgumentException if an argument is null, the model's name is empty or over 1 KiB, or row keys or
   *     request id don't fit the batch; the message names the argument. Nothing was sent.
   * @throws IllegalStateException if the client is closed.
   */
  public CompletableFuture<Scores> scoreAsync(String model, Batch batch, ScoreOptions options) {
    Arguments.name("model", model);
    Arguments.given("batch", batch);
    Arguments.given("options", options);
    checkOpen();
    if (!options.rowKeys.isEmpty() && options.rowKeys.size() != batch.rows()) {
      throw new IllegalArgumentException("rowKeys has " + options.rowKeys.size() + " keys for " + batch.rows() + " rows");
    }
    Patience patience = Patience.of(options.timeout == null ? timeout : options.timeout);
    ScoreRequest.Builder request = options.request(model, defaultScore);
    if (options.requestId.isEmpty()) {
      request.setRequestId(UUID.randomUUID().toString());
    }
    if (ChunkedBatch.isBig(batch)) {
      return new ChunkedBatch(calls, models, request.build(), batch, options.rowKeys, patience).score();
    }
    request.addAllRowKeys(options.rowKeys);
    batch.fill(request, 0, batch.rows());
    return calls.ask(request.build(), batch.rows(), patience);
  }

  /**
   * Makes the client ready for its first call, and waits at most 10 seconds until a gateway has answered. Without it,
   * the first call in a new Java process takes longer than the timeout of a busy service. May be called by any thread,
   * and repeatedly.
   *
   * @throws ScoringException if no gateway answered within 10 seconds (DeadlineExceeded), or a gateway refused the
   *     call, for example because it needs a token.
   * @throws IllegalStateException if the client is closed.
   */
  public void warmUp() {
    warmUp(WARM_UP);
  }

  /**
   * Makes the client ready for its first call: loads the library's classes, begins the connections to all addresses,
   * and waits until a gateway has answered. Without it, the first call in a new Java process takes longer than the
   * timeout of a busy service. Scores nothing. May be called by any thread, and repeatedly; the client stays usable if
   * this throws.
   *
   * @param timeout how long to wait, instead of the client's own timeout.
   * @throws ScoringException if no gateway answered within the timeout (DeadlineExceeded), or a gateway refused the
   *     call, for example because it needs a token.
   * @throws IllegalArgumentException if the timeout is null, zero, negative, or over 10^8 seconds.
   * @throws IllegalStateException if the client is closed.
   */
  public void warmUp(Duration timeout) {
    Patience patience = Patience.of(Arguments.time("timeout", timeout));
    checkOpen();
    WarmUp.loadClasses();
    CallOptions waiting = CallOptions.DEFAULT.withDeadline(patience.deadline()).withWaitForReady();
    await(connection.ask(Calls.LIST_MODELS, ListModelsRequest.getDefaultInstance(), patience, waiting));
  }

  /**
   * Lists every version of every model, and waits for the answer within the client's timeout. An interrupt of the
   * waiting thread cancels the call, and the thread stays interrupted.
   *
   * @return the versions with their states, sorted by model and version; an immutable list.
   * @throws ScoringException if no gateway answers within the client's timeout, or the thread was interrupted.
   * @throws IllegalStateException if the client is closed.
   */
  public List<ModelVersion> models() {
    checkOpen();
    return await(models.models(Patience.of(timeout)));
  }

  /**
   * Describes a model's versions, and waits for the answer within the client's timeout. An interrupt of the waiting
   * thread cancels the call, and the thread stays interrupted. Default scores that the client gives later for this
   * model have the outputs that this call describes.
   *
   * @param name the model's name.
   * @return features, outputs, default scores and more of each version, ascending by version; an immutable list.
   * @throws ScoringException if there is no such model, if no gateway answers within the client's timeout, or if the
   *     thread was interrupted.
   * @throws IllegalArgumentException if the name is null, empty or over 1 KiB.
   * @throws IllegalStateException if the client is closed.
   */
  public List<ModelDetail> model(String name) {
    Arguments.name("name", name);
    checkOpen();
    return await(models.details(name, 0, Patience.of(timeout)));
  }

  /**
   * The number of rows that got the client's own default score, because no gateway answered, since the client was made.
   *
   * @return the number of rows by reason, such as DEADLINE; a copy. The numbers never decrease.
   */
  public Map<String, Long> clientDefaults() {
    return defaults.counts();
  }

  /**
   * Closes the client's connections, cancels the calls on them, and waits up to 5 seconds. A channel that the caller
   * gave stays open. May be called by any thread, and repeatedly.
   */
  @Override
  public void close() {
    closed = true;
    connection.close();
    defaults.close();
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the client is closed");
    }
  }

  private static <T> T await(CompletableFuture<T> future) {
    try {
      return future.get();
    } catch (InterruptedException interrupted) {
      future.cancel(true);
      Thread.currentThread().interrupt();
      throw new ScoringException.Cancelled(
          "the thread was interrupted while it waited for the answer", "CANCELLED", Status.Code.CANCELLED, interrupted);
    } catch (ExecutionException error) {
      if (error.getCause() instanceof ScoringException scoring) {
        throw scoring;
      }
      if (error.getCause() instanceof StatusRuntimeException status) {
        throw FailedCall.of(status).exception();
      }
      throw new IllegalStateException(error.getCause());
    } catch (CancellationException cancelled) {
      throw new ScoringException.Cancelled(
          "the call was cancelled", "CANCELLED", Status.Code.CANCELLED, cancelled);
    }
  }

  /** Collects the settings of a {@link ScoringClient}. Not to be shared by threads. */
  public static final class Builder extends ScoringClientBuilder {
    private Builder(String target) {
      super(target);
    }
  }
}
