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
 * The settings of a client, checked when they are set. Callers see only the subclass {@link ScoringClient.Builder}. Not
 * to be shared by threads.
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
  private String plainUrl; // null unless a URL asked for plain text
  private File trusted;
  private File certificate;
  private File key;
  private Channels.KeepAlive keepAlive = Channels.KeepAlive.USUAL;
  private GatewayNames.Lookup lookup = InetAddress::getAllByName;

  /** Begins with the default settings; throws an IllegalArgumentException if the target is null. */
  ScoringClientBuilder(String target) {
    this.target = Arguments.given("target", target);
  }

  /**
   * Encrypts the connections with TLS, and trusts the authorities that the Java virtual machine trusts. Without a call
   * of {@code tls} or {@link #clientCertificate}, connections are plain text.
   *
   * @return this builder.
   */
  public ScoringClient.Builder tls() {
    this.tls = true;
    return self();
  }

  /**
   * Encrypts the connections with TLS, and trusts the authorities in a file.
   *
   * @param trustedCertificates a PEM file of the authorities that may have signed the gateway's certificate; read by
   *     {@link #build}.
   * @return this builder.
   * @throws IllegalArgumentException if the file is null.
   */
  public ScoringClient.Builder tls(File trustedCertificates) {
    this.tls = true;
    this.trusted = Arguments.given("trustedCertificates", trustedCertificates);
    return self();
  }

  /**
   * Encrypts the connections with TLS, and shows the gateway a certificate of the client (mutual TLS).
   *
   * @param certificateChain a PEM file of the client's certificate; read by {@link #build}.
   * @param privateKey a PEM file of the certificate's key, in the form PKCS 8; read by {@link #build}.
   * @return this builder.
   * @throws IllegalArgumentException if a file is null.
   */
  public ScoringClient.Builder clientCertificate(File certificateChain, File privateKey) {
    this.tls = true;
    this.certificate = Arguments.given("certificateChain", certificateChain);
    this.key = Arguments.given("privateKey", privateKey);
    return self();
  }

  /** Notes that the environment's URL asks for plain text, which {@link #build} holds against settings of TLS. */
  void plainText(String url) {
    this.plainUrl = url;
  }

  /**
   * Sends a token with every call ("authorization: Bearer …"). In plain text a token is only sent to this machine: to
   * "localhost", a loopback address or a Unix socket, and through no proxy. {@link #build} refuses any other target
   * without TLS. A channel of the caller's own is not checked.
   *
   * @param token the supplier of the token. It is called for every call, so that the token can be renewed, on the
   *     calling thread or, for a chunk of a big batch, on a thread of gRPC. The call waits for it.
   * @return this builder.
   * @throws IllegalArgumentException if the supplier is null.
   */
  public ScoringClient.Builder token(Supplier<String> token) {
    this.token = Arguments.given("token", token);
    return self();
  }

  /**
   * Sends the token that a file holds with every call, by the rules of {@link #token}. The file is read anew when it has
   * changed. If it holds no token any more, the last one is sent, and the fault is logged once.
   *
   * @param file a file of one line of visible ASCII characters, at most 4096 bytes; links are followed.
   * @return this builder.
   * @throws IllegalArgumentException if the file is null, holds no token, is too large or is not a regular file.
   * @throws UncheckedIOException if the file can't be read.
   */
  public ScoringClient.Builder tokenFile(Path file) {
    return token(new TokenFile(Arguments.given("file", file)));
  }

  /**
   * Uses a channel of the caller's own instead of the target; the caller closes it.
   *
   * @param channel the channel, whose retries and load balancing stay as they are.
   * @return this builder.
   * @throws IllegalArgumentException if the channel is null.
   */
  public ScoringClient.Builder channel(Channel channel) {
    this.channel = Arguments.given("channel", channel);
    return self();
  }

  /**
   * Sets the timeout of calls whose {@link ScoreOptions} give none, and of calls that ask about models.
   *
   * @param timeout the timeout, over 0 and at most 10^8 seconds. Without it the model's own timeout applies, and a
   *     silent gateway is waited for until its connection breaks.
   * @return this builder.
   * @throws IllegalArgumentException if the timeout is null, zero, negative, or over 10^8 seconds.
   */
  public ScoringClient.Builder timeout(Duration timeout) {
    this.timeout = Arguments.time("timeout", timeout);
    return self();
  }

  /**
   * Sets the default score of calls whose {@link ScoreOptions} give none. Gateways give it instead of the model's own,
   * and the client gives it where no gateway answers.
   *
   * @param score the default score of every row and numeric output.
   * @return this builder.
   * @throws IllegalArgumentException if the score is NaN or infinite.
   */
  public ScoringClient.Builder defaultScore(double score) {
    this.defaultScore = Arguments.finite("defaultScore", score);
    return self();
  }

  /**
   * Sets when the client's circuit opens, so that calls fail at once without asking a gateway: by default after 5
   * failures, for 1 second. A call with a longer timeout than every call that got no answer is still made.
   *
   * @param failures the number of failed connections or unanswered calls in a row that open the circuit; 0 never opens
   *     it.
   * @param open the time after which the open circuit lets a single call through as a trial.
   * @return this builder.
   * @throws IllegalArgumentException if failures is negative, or open null, zero, negative or over 10^8 seconds.
   */
  public ScoringClient.Builder circuit(int failures, Duration open) {
    this.circuitFailures = Arguments.notNegative("failures", failures);
    this.circuitOpen = Arguments.time("open", open);
    return self();
  }

  /**
   * Sets when a connection without traffic gets a keepalive ping, and when it is closed because no answer came. So a
   * silent path is found before a call reaches its deadline, also while other gateways answer. By default a connection
   * is pinged after 10 seconds, and has 2 seconds to answer. A channel of the caller's own is not changed.
   *
   * @param time the time without traffic after which the connection is pinged; at least 10 seconds, because gateways
   *     close connections that send pings more often.
   * @param timeout the time within which the answer must come.
   * @return this builder.
   * @throws IllegalArgumentException if one is null, zero, negative or over 10^8 seconds, or time is under 10 seconds.
   */
  public ScoringClient.Builder keepAlive(Duration time, Duration timeout) {
    this.keepAlive =
        new Channels.KeepAlive(
            Arguments.keepAliveTime("keepAlive time", time), Arguments.time("keepAlive timeout", timeout));
    return self();
  }

  /**
   * Turns keepalive pings off.
   *
   * @return this builder.
   */
  public ScoringClient.Builder withoutKeepAlive() {
    this.keepAlive = null;
    return self();
  }

  /** Replaces the machine's lookup of host names; the lookup is called on threads of gRPC, and may wait. */
  ScoringClient.Builder lookup(GatewayNames.Lookup lookup) {
    this.lookup = lookup;
    return self();
  }

  /**
   * Writes a line of JSON to a file for each call or chunk that the client answers with its own default score, for
   * {@code scorebridge reconcile --client-defaults}.
   *
   * @param file the file, to which lines are appended; it is created if needed, and holds no input values.
   * @return this builder.
   * @throws IllegalArgumentException if the file is null.
   */
  public ScoringClient.Builder defaultsLog(Path file) {
    this.defaultsLog = Arguments.given("defaultsLog", file);
    return self();
  }

  /**
   * Sets a hook that is called for every call that has ended, for metrics.
   *
   * @param hook the function to call, on the thread that ended the call, usually one of gRPC, and by several threads at
   *     once; must not block. An exception that it throws is logged, and the call is not affected.
   * @return this builder.
   * @throws IllegalArgumentException if the hook is null.
   */
  public ScoringClient.Builder onCall(Consumer<CallEvent> hook) {
    this.onCall = Arguments.given("onCall", hook);
    return self();
  }

  /**
   * Makes the client, which connects with its first call.
   *
   * @return the client; close it when it is not needed any more.
   * @throws IllegalArgumentException if the target is not valid, has a scheme for which there is no resolver, or is
   *     another machine to which a token would be sent in plain text; or if a certificate or key is not what it must be.
   *     With a channel of the caller's own, the target is not used.
   * @throws UncheckedIOException if a certificate or key can't be read, or the file of client defaults can't be opened.
   */
  public ScoringClient build() {
    return new ScoringClient(self());
  }

  /** Returns a new channel to the target with these settings; the client closes it. */
  ManagedChannel open() {
    if (plainUrl != null && tls) {
      throw new IllegalArgumentException(
          "'" + plainUrl + "' asks for plain text, but there are settings for TLS: give grpcs://, or no scheme");
    }
    boolean secret = token != null && !tls;
    if (secret && !Targets.areLocal(target)) {
      throw new IllegalArgumentException(
          "a token is not sent to the target '" + target + "' in plain text, which others can read: use TLS, by tls(), "
              + "SCOREBRIDGE_TLS_CA or grpcs://");
    }
    return Channels.open(target, credentials(), keepAlive, lookup, !secret);
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
