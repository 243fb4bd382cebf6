package io.scorebridge.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptors;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.scorebridge.v1.DefaultPolicy;
import io.scorebridge.v1.GetModelRequest;
import io.scorebridge.v1.ListModelsRequest;
import io.scorebridge.v1.ModelDetail;
import io.scorebridge.v1.ModelVersion;
import io.scorebridge.v1.ScoreRequest;
import io.scorebridge.v1.ScoreResponse;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Scores batches at a gateway, or at several. Where no gateway gives an answer and there is a default score, the client
 * returns that, marked as {@link Source#CLIENT_DEFAULT}, within the call's timeout.
 *
 * <p>May be shared by threads; make one and keep it. Futures are completed on threads of the gRPC library: what is
 * chained to them should not block, or should name an executor.
 */
public final class ScoringClient implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(ScoringClient.class.getName());

  private static final Duration WARM_UP = Duration.ofSeconds(10);

  private final ManagedChannel owned; // null if the channel is the caller's
  private final Channel channel;
  private final Reconnects reconnects; // null if the channel is the caller's
  private final Duration timeout;
  private final Double defaultScore;
  private final Circuit circuit;
  private final DefaultsLog defaultsLog;
  private final Consumer<CallEvent> onCall;
  private final Map<String, LongAdder> defaults = new ConcurrentHashMap<>();
  private final Outputs outputs = new Outputs();
  private volatile boolean closed;

  private ScoringClient(Builder builder) {
    owned = builder.channel == null ? builder.open() : null;
    Channel plain = owned == null ? builder.channel : owned;
    channel =
        builder.token == null ? plain : ClientInterceptors.intercept(plain, Channels.bearer(builder.token));
    timeout = builder.timeout;
    defaultScore = builder.defaultScore;
    circuit = new Circuit(builder.circuitFailures, builder.circuitOpen.toNanos(), System::nanoTime);
    reconnects = owned == null ? null : new Reconnects(owned, circuit::ready, System::nanoTime);
    defaultsLog = builder.defaultsLog == null ? null : new DefaultsLog(builder.defaultsLog);
    onCall = builder.onCall;
  }

  /**
   * Begins a client.
   *
   * @param target "host:port" of a gateway, several of them between commas, or any target that gRPC knows, such as
   *     "dns:///scoring.example:50051". Calls take turns among all addresses. An IPv6 address stands in brackets.
   * @return a builder; not to be shared by threads.
   * @throws IllegalArgumentException if it is null; what is no target, {@link Builder#build} refuses.
   */
  public static Builder newBuilder(String target) {
    return new Builder(target);
  }

  /**
   * Scores a batch and waits for the answer.
   *
   * @param model the model's name.
   * @param batch the rows; a big batch of a row-wise model is sent in several calls at once.
   * @return the scores, which may be defaults: {@link Scores#source()} tells.
   * @throws ScoringException if there are no scores, and no default may stand for them.
   * @throws IllegalArgumentException if an argument is null, the model's name is empty or over 1 KiB, or row keys or
   *     request id don't fit the batch; names the argument, and nothing was sent.
   * @throws IllegalStateException if the client is closed.
   */
  public Scores score(String model, Batch batch) {
    return score(model, batch, ScoreOptions.none());
  }

  /**
   * Scores a batch and waits for the answer. An interrupt cancels the call, and the thread stays interrupted.
   *
   * @param model the model's name.
   * @param batch the rows; a big batch of a row-wise model is sent in several calls at once.
   * @param options what else the call says.
   * @return the scores, which may be defaults: {@link Scores#source()} tells.
   * @throws ScoringException if there are no scores, and no default may stand for them.
   * @throws IllegalArgumentException if an argument is null, the model's name is empty or over 1 KiB, or row keys or
   *     request id don't fit the batch; names the argument, and nothing was sent.
   * @throws IllegalStateException if the client is closed.
   */
  public Scores score(String model, Batch batch, ScoreOptions options) {
    return await(scoreAsync(model, batch, options));
  }

  /**
   * Scores a batch.
   *
   * @param model the model's name.
   * @param batch the rows; see {@link #score(String, Batch)}.
   * @return the scores, or a {@link ScoringException}. Cancelling it tells the gateway, which stops waiting for the
   *     model.
   */
  public CompletableFuture<Scores> scoreAsync(String model, Batch batch) {
    return scoreAsync(model, batch, ScoreOptions.none());
  }

  /**
   * Scores a batch.
   *
   * @param model the model's name.
   * @param batch the rows; see {@link #score(String, Batch)}.
   * @param options what else the call says.
   * @return the scores, or a {@link ScoringException}. Cancelling it tells the gateway, which stops waiting for the
   *     model.
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
    String requestId = options.requestId.isEmpty() ? UUID.randomUUID().toString() : options.requestId;
    if (BigBatch.isBig(batch)) {
      return new BigBatch(this, model, batch, options, requestId, patience).score();
    }
    ScoreRequest.Builder request = request(model, options, requestId).addAllRowKeys(options.rowKeys);
    batch.fill(request, 0, batch.rows());
    return ask(request.build(), batch.rows(), patience);
  }

  /**
   * Makes the client ready for its first call within 10 seconds; see {@link #warmUp(Duration)}.
   *
   * @throws ScoringException if no gateway answered.
   * @throws IllegalStateException if the client is closed.
   */
  public void warmUp() {
    warmUp(WARM_UP);
  }

  /**
   * Makes the client ready for its first call: loads the library, begins the connections to all addresses, and waits until
   * a gateway is there and has answered. In a new process a first call takes longer than the timeout of a busy service. May be called by
   * any thread, and again. Scores nothing; the client stays usable where it throws.
   *
   * @param timeout how long it may take, instead of the client's own.
   * @throws ScoringException if no gateway answered within it (DeadlineExceeded), or one refused, perhaps for want of a
   *     token.
   * @throws IllegalArgumentException if the timeout is null, zero, negative, or over 10^8 seconds.
   * @throws IllegalStateException if the client is closed.
   */
  public void warmUp(Duration timeout) {
    Patience patience = Patience.of(Arguments.time("timeout", timeout));
    checkOpen();
    WarmUp.loadClasses();
    CallOptions waiting = CallOptions.DEFAULT.withDeadline(patience.deadline()).withWaitForReady();
    await(plain(Calls.LIST_MODELS, ListModelsRequest.getDefaultInstance(), patience, waiting));
  }

  /**
   * Every version of every model.
   *
   * @return with their states; one that waits says why, and when it is tried again.
   * @throws ScoringException if the gateway gives no answer within the client's timeout.
   */
  public List<ModelVersion> models() {
    checkOpen();
    return await(plain(Calls.LIST_MODELS, ListModelsRequest.getDefaultInstance(), Patience.of(timeout)))
        .getVersionsList();
  }

  /**
   * All there is to know of a model's versions.
   *
   * @param name the model's.
   * @return features, outputs, default scores and more, a version each.
   * @throws ScoringException if there is no such model, or no answer within the client's timeout.
   * @throws IllegalArgumentException if the name is null, empty or over 1 KiB.
   */
  public List<ModelDetail> model(String name) {
    Arguments.name("name", name);
    checkOpen();
    return await(details(name, 0, Patience.of(timeout)));
  }

  /**
   * How many rows got the client's default score, by reason.
   *
   * @return a copy; the counts never shrink.
   */
  public Map<String, Long> clientDefaults() {
    Map<String, Long> counts = new TreeMap<>();
    defaults.forEach((reason, count) -> counts.put(reason, count.sum()));
    return counts;
  }

  /** Closes the connections; calls under way are cancelled. A channel that was given stays open. */
  @Override
  public void close() {
    closed = true;
    if (owned != null) {
      owned.shutdownNow();
      try {
        owned.awaitTermination(5, TimeUnit.SECONDS);
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    if (defaultsLog != null) {
      defaultsLog.close();
    }
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the client is closed");
    }
  }

  ScoreRequest.Builder request(String model, ScoreOptions options, String requestId) {
    ScoreRequest.Builder request =
        ScoreRequest.newBuilder()
            .setRequestId(requestId)
            .setModel(model)
            .setVersion(options.version)
            .setPartial(options.partial)
            .setIgnoreExtra(options.ignoreExtra)
            .setBatchId(options.batchId)
            .putAllLabels(options.labels);
    Double chosen = options.defaultScore == null ? defaultScore : options.defaultScore;
    if (chosen != null) {
      request.setDefaultScore(chosen);
    }
    if (!options.allowDefault) {
      request.setDefaultPolicy(DefaultPolicy.DEFAULT_POLICY_NEVER);
    }
    return request;
  }

  /** One call: its scores, the client's default for them, or an error. */
  CompletableFuture<Scores> ask(ScoreRequest request, int rows, Patience patience) {
    long began = System.nanoTime();
    if (!circuitAllows(patience)) {
      return fallBack(request, rows, Failure.circuitOpen(), began);
    }
    CompletableFuture<Scores> scores = new CompletableFuture<>();
    var answer = Calls.ask(channel, Calls.SCORE, request, patience.deadline());
    scores.whenComplete(
        (value, error) -> {
          if (scores.isCancelled()) {
            answer.cancel(true);
          }
        });
    answer.whenComplete(
        (response, error) -> {
          if (error == null) {
            noteAnswer();
            read(request, response, rows, began).whenComplete((value, raised) -> pass(scores, value, raised));
          } else if (!answer.isCancelled()) {
            Failure failure = Failure.of(error);
            note(failure, patience);
            fallBack(request, rows, failure, began).whenComplete((value, raised) -> pass(scores, value, raised));
          }
        });
    return scores;
  }

  /** What the gateway answered; where that makes no sense, as if it had not. */
  private CompletableFuture<Scores> read(ScoreRequest request, ScoreResponse response, int rows, long began) {
    Scores read;
    try {
      read = Scores.read(response, rows);
    } catch (RuntimeException senseless) {
      // On a thread of the library nobody would see it, and the caller would wait.
      return fallBack(request, rows, Failure.of(senseless), began);
    }
    if (read.source() != Source.DEFAULT) {
      outputs.answered(request.getModel(), response);
    }
    tell(request, rows, began, read.source(), null);
    return CompletableFuture.completedFuture(read);
  }

  /** What stands for a call, or for a part of a batch, that brought no scores. */
  CompletableFuture<Scores> fallBack(ScoreRequest request, int rows, Failure failure, long began) {
    boolean never = request.getDefaultPolicy() == DefaultPolicy.DEFAULT_POLICY_NEVER;
    if (never || !request.hasDefaultScore() || !failure.fallsBack()) {
      tell(request, rows, began, null, failure.reason());
      return CompletableFuture.failedFuture(failure.exception());
    }
    String model = request.getModel();
    double score = request.getDefaultScore();
    defaults.computeIfAbsent(failure.reason(), reason -> new LongAdder()).add(rows);
    if (defaultsLog != null) {
      defaultsLog.add(request.getRequestId(), model, request.getVersion(), rows, failure.reason(), score);
    }
    tell(request, rows, began, Source.CLIENT_DEFAULT, failure.reason());
    return CompletableFuture.completedFuture(
        Scores.byClient(
            request.getRequestId(),
            model,
            request.getVersion(),
            rows,
            outputs.defaults(model, rows, score),
            failure));
  }

  /** All versions of a model, or one; a failure is a StatusRuntimeException. */
  CompletableFuture<List<ModelDetail>> details(String name, int version, Patience patience) {
    GetModelRequest request = GetModelRequest.newBuilder().setModel(name).setVersion(version).build();
    return plain(Calls.GET_MODEL, request, patience)
        .thenApply(
            response -> {
              outputs.described(response.getVersionsList());
              return response.getVersionsList();
            });
  }

  boolean circuitAllows(Patience patience) {
    if (reconnects != null) {
      reconnects.called();
    }
    return circuit.allows(patience.nanos());
  }

  static void pass(CompletableFuture<Scores> to, Scores value, Throwable raised) {
    if (raised == null) {
      to.complete(value);
    } else {
      to.completeExceptionally(raised instanceof CompletionException ? raised.getCause() : raised);
    }
  }

  private <ReqT, RespT> CompletableFuture<RespT> plain(
      MethodDescriptor<ReqT, RespT> method, ReqT request, Patience patience) {
    return plain(method, request, patience, CallOptions.DEFAULT.withDeadline(patience.deadline()));
  }

  private <ReqT, RespT> CompletableFuture<RespT> plain(
      MethodDescriptor<ReqT, RespT> method, ReqT request, Patience patience, CallOptions options) {
    if (reconnects != null) {
      reconnects.called();
    }
    return Calls.ask(channel, method, request, options)
        .whenComplete(
            (response, error) -> {
              if (error == null) {
                noteAnswer();
              } else {
                note(Failure.of(error), patience);
              }
            });
  }

  private void note(Failure failure, Patience patience) {
    if (!failure.ofConnection()) {
      noteAnswer();
    } else if (failure.status() == Status.Code.UNAVAILABLE) {
      circuit.failed(Circuit.FOREVER);
      if (reconnects != null) {
        reconnects.broke();
      }
    } else {
      circuit.failed(patience.nanos());
      if (reconnects != null) {
        reconnects.expired();
      }
    }
  }

  private void noteAnswer() {
    circuit.answered();
    if (reconnects != null) {
      reconnects.answered();
    }
  }

  private void tell(ScoreRequest request, int rows, long began, Source source, String reason) {
    if (onCall == null) {
      return;
    }
    Duration elapsed = Duration.ofNanos(System.nanoTime() - began);
    try {
      onCall.accept(new CallEvent(request.getRequestId(), request.getModel(), rows, elapsed, source, reason));
    } catch (RuntimeException error) {
      LOG.log(System.Logger.Level.ERROR, "the hook for calls raised; the call goes on", error);
    }
  }

  private static <T> T await(CompletableFuture<T> future) {
    try {
      return future.get();
    } catch (InterruptedException interrupted) {
      future.cancel(true);
      Thread.currentThread().interrupt();
      throw new ScoringException.Cancelled(
          "interrupted while waiting for the answer", "CANCELLED", Status.Code.CANCELLED, interrupted);
    } catch (ExecutionException error) {
      if (error.getCause() instanceof ScoringException scoring) {
        throw scoring;
      }
      if (error.getCause() instanceof StatusRuntimeException status) {
        throw Failure.of(status).exception();
      }
      throw new IllegalStateException(error.getCause());
    } catch (CancellationException cancelled) {
      throw new ScoringException.Cancelled(
          "the call was cancelled", "CANCELLED", Status.Code.CANCELLED, cancelled);
    }
  }

  /** Builds a {@link ScoringClient}. */
  public static final class Builder {
    private final String target;
    private boolean tls;
    private File trusted;
    private File certificate;
    private File key;
    private Supplier<String> token;
    private Channel channel;
    private Duration timeout;
    private Double defaultScore;
    private int circuitFailures = 5;
    private Duration circuitOpen = Duration.ofSeconds(1);
    private Path defaultsLog;
    private Consumer<CallEvent> onCall;
    private Channels.KeepAlive keepAlive = Channels.KeepAlive.USUAL;
    private GatewayNames.Lookup lookup = InetAddress::getAllByName;

    private Builder(String target) {
      this.target = Arguments.given("target", target);
    }

    /**
     * Encrypts the connection; without it, it is plain text.
     *
     * @return this.
     */
    public Builder tls() {
      this.tls = true;
      return this;
    }

    /**
     * Encrypts the connection.
     *
     * @param trustedCertificates PEM file of the authorities that the gateway's certificate may come from.
     * @return this.
     */
    public Builder tls(File trustedCertificates) {
      this.tls = true;
      this.trusted = Arguments.given("trustedCertificates", trustedCertificates);
      return this;
    }

    /**
     * Shows the gateway who calls (mutual TLS).
     *
     * @param certificateChain PEM file.
     * @param privateKey PEM file, PKCS 8.
     * @return this.
     */
    public Builder clientCertificate(File certificateChain, File privateKey) {
      this.tls = true;
      this.certificate = Arguments.given("certificateChain", certificateChain);
      this.key = Arguments.given("privateKey", privateKey);
      return this;
    }

    /**
     * Sends a token with every call ("authorization: Bearer …").
     *
     * @param token is asked at every call, on the calling thread, so that it can be renewed.
     * @return this.
     */
    public Builder token(Supplier<String> token) {
      this.token = Arguments.given("token", token);
      return this;
    }

    /**
     * Uses a channel of the caller's own instead of the target; it stays the caller's to close.
     *
     * @param channel with retries and load balancing as its maker wants them.
     * @return this.
     */
    public Builder channel(Channel channel) {
      this.channel = Arguments.given("channel", channel);
      return this;
    }

    /**
     * How long calls may take that say nothing else.
     *
     * @param timeout positive; without one, the model's own timeout counts, and a gateway that is silent is waited for
     *     until its connection breaks.
     * @return this.
     * @throws IllegalArgumentException if it is null, zero, negative, or over 10^8 seconds.
     */
    public Builder timeout(Duration timeout) {
      this.timeout = Arguments.time("timeout", timeout);
      return this;
    }

    /**
     * The default score of calls that say nothing else; see {@link ScoreOptions.Builder#defaultScore}.
     *
     * @param score of every row and numeric output.
     * @return this.
     * @throws IllegalArgumentException if it is NaN or infinite.
     */
    public Builder defaultScore(double score) {
      this.defaultScore = Arguments.finite("defaultScore", score);
      return this;
    }

    /**
     * When gateways that don't answer are left alone. A call whose timeout is longer than all those that passed in vain is
     * made all the same.
     *
     * @param failures so many connections that fail or calls that nobody answers, in a row; 0 for never.
     * @param open how long until a single call is let through to see.
     * @return this.
     * @throws IllegalArgumentException if failures is negative, or open null, zero, negative or over 10^8 seconds.
     */
    public Builder circuit(int failures, Duration open) {
      this.circuitFailures = Arguments.notNegative("failures", failures);
      this.circuitOpen = Arguments.time("open", open);
      return this;
    }

    /**
     * Has a connection on which nothing came for a while asked whether it is there, and closed if it does not answer. So a
     * path that went silent is found without a call that expires, also where other gateways answer. After 10 seconds, which
     * may take 2, if nothing is said. A channel of your own is left as it is.
     *
     * @param time so long nothing came; 10 seconds at least, as gateways send away who asks more often.
     * @param timeout how long the answer may take.
     * @return this.
     * @throws IllegalArgumentException if one is null, zero, negative or over 10^8 seconds, or time under 10 seconds.
     */
    public Builder keepAlive(Duration time, Duration timeout) {
      this.keepAlive =
          new Channels.KeepAlive(
              Arguments.keepAliveTime("keepAlive time", time), Arguments.time("keepAlive timeout", timeout));
      return this;
    }

    /**
     * Has no connection asked whether it is there.
     *
     * @return this.
     */
    public Builder withoutKeepAlive() {
      this.keepAlive = null;
      return this;
    }

    /** Looks names up in another way than the machine's. */
    Builder lookup(GatewayNames.Lookup lookup) {
      this.lookup = lookup;
      return this;
    }

    /**
     * Keeps a line of JSON for each client default, for {@code scorebridge reconcile --client-defaults}.
     *
     * @param file is appended to; holds no input values.
     * @return this.
     */
    public Builder defaultsLog(Path file) {
      this.defaultsLog = Arguments.given("defaultsLog", file);
      return this;
    }

    /**
     * Is told of every call, for metrics.
     *
     * @param hook must not block; what it raises is logged and the call goes on.
     * @return this.
     */
    public Builder onCall(Consumer<CallEvent> hook) {
      this.onCall = Arguments.given("onCall", hook);
      return this;
    }

    /**
     * The client; it connects with its first call.
     *
     * @return to be closed.
     * @throws IllegalArgumentException if the target is none, or of a scheme for which there is no resolver. With a
     *     channel of your own it is not looked at.
     * @throws UncheckedIOException if a file can't be read or written.
     */
    public ScoringClient build() {
      return new ScoringClient(this);
    }

    private ManagedChannel open() {
      return Channels.open(target, credentials(), keepAlive, lookup);
    }

    private ChannelCredentials credentials() {
      if (!tls) {
        return InsecureChannelCredentials.create();
      }
      TlsChannelCredentials.Builder made = TlsChannelCredentials.newBuilder();
      try {
        if (trusted != null) {
          made.trustManager(trusted);
        }
        if (certificate != null) {
          made.keyManager(certificate, key);
        }
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      return made.build();
    }
  }
}
