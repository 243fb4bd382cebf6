package io.scorebridge.client;

import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * What {@link ScoringClient.Builder} collects, and checks at once; callers know it by that name only. Not to be shared
 * by threads.
 */
abstract sealed class ScoringClientBuilder permits ScoringClient.Builder {
  private final String target;
  Supplier<String> token; // null for none
  Channel channel; // null for one of the client's own
  Duration timeout; // null for none
  Double defaultScore; // null for none
  int circuitFailures = 5;
  Duration circuitOpen = Duration.ofSeconds(1);
  Path defaultsLog; // null for none
  Consumer<CallEvent> onCall; // null for none
  private boolean tls;
  private File trusted;
  private File certificate;
  private File key;
  private Channels.KeepAlive keepAlive = Channels.KeepAlive.USUAL;
  private GatewayNames.Lookup lookup = InetAddress::getAllByName;

  /** Begins with what counts if nothing else is said; an IllegalArgumentException if the target is null. */
  ScoringClientBuilder(String target) {
    this.target = Arguments.given("target", target);
  }

  /**
   * Encrypts the connections, and trusts the authorities that the Java virtual machine trusts. Unless TLS is asked for,
   * connections are plain text.
   *
   * @return this builder.
   */
  public ScoringClient.Builder tls() {
    this.tls = true;
    return self();
  }

  /**
   * Encrypts the connections, and trusts the authorities of a file.
   *
   * @param trustedCertificates PEM file of the authorities that the gateway's certificate may come from; read by {@link
   *     #build}.
   * @return this builder.
   * @throws IllegalArgumentException if it is null.
   */
  public ScoringClient.Builder tls(File trustedCertificates) {
    this.tls = true;
    this.trusted = Arguments.given("trustedCertificates", trustedCertificates);
    return self();
  }

  /**
   * Encrypts the connections, and shows the gateway who calls (mutual TLS).
   *
   * @param certificateChain PEM file of the client's certificate; read by {@link #build}.
   * @param privateKey PEM file of its key, in the form PKCS 8; read by {@link #build}.
   * @return this builder.
   * @throws IllegalArgumentException if one is null.
   */
  public ScoringClient.Builder clientCertificate(File certificateChain, File privateKey) {
    this.tls = true;
    this.certificate = Arguments.given("certificateChain", certificateChain);
    this.key = Arguments.given("privateKey", privateKey);
    return self();
  }

  /**
   * Sends a token with every call ("authorization: Bearer …").
   *
   * @param token is asked at every call, so that it can be renewed: on the calling thread, or for a chunk of a big
   *     batch on a thread of gRPC. The call waits for it.
   * @return this builder.
   * @throws IllegalArgumentException if it is null.
   */
  public ScoringClient.Builder token(Supplier<String> token) {
    this.token = Arguments.given("token", token);
    return self();
  }

  /**
   * Uses a channel of the caller's own instead of the target; it stays the caller's to close.
   *
   * @param channel with retries and load balancing as its maker wants them.
   * @return this builder.
   * @throws IllegalArgumentException if it is null.
   */
  public ScoringClient.Builder channel(Channel channel) {
    this.channel = Arguments.given("channel", channel);
    return self();
  }

  /**
   * How long a call may take whose {@link ScoreOptions} give no timeout, and a question about models.
   *
   * @param timeout positive, 10^8 seconds at most; without one, the model's own timeout counts, and a gateway that is
   *     silent is waited for until its connection breaks.
   * @return this builder.
   * @throws IllegalArgumentException if it is null, zero, negative, or over 10^8 seconds.
   */
  public ScoringClient.Builder timeout(Duration timeout) {
    this.timeout = Arguments.time("timeout", timeout);
    return self();
  }

  /**
   * The default score of a call whose {@link ScoreOptions} give none; see {@link ScoreOptions.Builder#defaultScore}.
   *
   * @param score of every row and numeric output.
   * @return this builder.
   * @throws IllegalArgumentException if it is NaN or infinite.
   */
  public ScoringClient.Builder defaultScore(double score) {
    this.defaultScore = Arguments.finite("defaultScore", score);
    return self();
  }

  /**
   * When gateways that don't answer are left alone: by default after 5 failures, for 1 second. A call whose timeout is
   * longer than all those that passed in vain is made all the same.
   *
   * @param failures so many connections that fail or calls that nobody answers, in a row; 0 for never.
   * @param open how long until a single call is let through to see.
   * @return this builder.
   * @throws IllegalArgumentException if failures is negative, or open null, zero, negative or over 10^8 seconds.
   */
  public ScoringClient.Builder circuit(int failures, Duration open) {
    this.circuitFailures = Arguments.notNegative("failures", failures);
    this.circuitOpen = Arguments.time("open", open);
    return self();
  }

  /**
   * Has a connection on which nothing came for a while asked whether it is there, and closed if it does not answer. So
   * a path that went silent is found without a call that expires, also where other gateways answer. By default a
   * connection is asked after 10 seconds, and has 2 seconds to answer. A channel of your own is left as it is.
   *
   * @param time for how long nothing came; 10 seconds at least, as gateways send away who asks more often.
   * @param timeout how long the answer may take.
   * @return this builder.
   * @throws IllegalArgumentException if one is null, zero, negative or over 10^8 seconds, or time under 10 seconds.
   */
  public ScoringClient.Builder keepAlive(Duration time, Duration timeout) {
    this.keepAlive =
        new Channels.KeepAlive(
            Arguments.keepAliveTime("keepAlive time", time), Arguments.time("keepAlive timeout", timeout));
    return self();
  }

  /**
   * Has no connection asked whether it is there, however long nothing came on it.
   *
   * @return this builder.
   */
  public ScoringClient.Builder withoutKeepAlive() {
    this.keepAlive = null;
    return self();
  }

  /** Looks the names of gateways up in another way than the machine's; called on threads of gRPC, which may wait. */
  ScoringClient.Builder lookup(GatewayNames.Lookup lookup) {
    this.lookup = lookup;
    return self();
  }

  /**
   * Keeps a line of JSON for each call or chunk that the client answered with its own default score, for {@code
   * scorebridge reconcile --client-defaults}.
   *
   * @param file is made if it is not there, and appended to; holds no input values.
   * @return this builder.
   * @throws IllegalArgumentException if it is null.
   */
  public ScoringClient.Builder defaultsLog(Path file) {
    this.defaultsLog = Arguments.given("defaultsLog", file);
    return self();
  }

  /**
   * Has a hook told of every call that has ended, for metrics.
   *
   * @param hook is called on the thread that ended the call, usually one of gRPC, and by several threads at once; must
   *     not block. What it raises is logged, and the call goes on.
   * @return this builder.
   * @throws IllegalArgumentException if it is null.
   */
  public ScoringClient.Builder onCall(Consumer<CallEvent> hook) {
    this.onCall = Arguments.given("onCall", hook);
    return self();
  }

  /**
   * Makes the client, which connects with its first call.
   *
   * @return the client; close it when it is not needed any more.
   * @throws IllegalArgumentException if the target is none, or of a scheme for which there is no resolver. With a
   *     channel of your own it is not looked at.
   * @throws UncheckedIOException if a file can't be read or written.
   */
  public ScoringClient build() {
    return new ScoringClient(self());
  }

  /** A new channel to the target, as the settings say; the client's own to close. */
  ManagedChannel open() {
    return Channels.open(target, credentials(), keepAlive, lookup);
  }

  private ScoringClient.Builder self() {
    return (ScoringClient.Builder) this;
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
