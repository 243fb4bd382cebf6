package io.scorebridge.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Makes the gRPC channel of a client. May be used by any thread. */
final class Channels {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
  private static final long RETRY_BUFFER_BYTES = 4 << 20; // a call whose message is larger is not retried

  // TCP repeats a connection's first packet after one second, and then after three: rather than wait, connect again.
  private static final int CONNECT_TIMEOUT_MS = 1500;

  private static final String NETTY = "io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder";

  // docs/clients.md states these for both clients. (The library wants every number as a double.)
  private static final Map<String, ?> SERVICE =
      Map.of(
          "loadBalancingConfig",
          List.of(Map.of("round_robin", Map.of())),
          "healthCheckConfig",
          Map.of("serviceName", ""),
          "retryThrottling",
          Map.of("maxTokens", 1000.0, "tokenRatio", 1.0),
          "methodConfig",
          List.of(
              Map.of(
                  "name",
                  List.of(Map.of("service", "scorebridge.v1.ScoringService")),
                  "retryPolicy",
                  Map.of(
                      "maxAttempts",
                      3.0,
                      "initialBackoff",
                      "0.01s",
                      "maxBackoff",
                      "0.1s",
                      "backoffMultiplier",
                      2.0,
                      "retryableStatusCodes",
                      List.of("UNAVAILABLE")))));

  private Channels() {}

  /**
   * Makes a channel that connects with its first call; the client closes it.
   *
   * @param keepAlive null for no keepalive pings.
   * @param proxied whether the machine's proxy is used, where there is one.
   * @throws IllegalArgumentException if the target is not valid; the message says why.
   */
  static ManagedChannel open(
      String target,
      ChannelCredentials credentials,
      KeepAlive keepAlive,
      GatewayNames.Lookup lookup,
      boolean proxied) {
    ManagedChannelBuilder<?> builder =
        Grpc.newChannelBuilder(Targets.of(target), credentials)
            .defaultServiceConfig(SERVICE)
            .enableRetry()
            .perRpcBufferLimit(RETRY_BUFFER_BYTES)
            // Without limit: an answer grows with the model's outputs, and comes from the client's own gateway.
            .maxInboundMessageSize(Integer.MAX_VALUE)
            .setNameResolverArg(GatewayNames.LOOKUP, GatewayNames.remembering(lookup));
    if (!proxied) {
      builder.proxyDetector(address -> null);
    }
    if (keepAlive != null) {
      builder.keepAliveTime(keepAlive.time().toNanos(), TimeUnit.NANOSECONDS);
      builder.keepAliveTimeout(keepAlive.timeout().toNanos(), TimeUnit.NANOSECONDS);
    }
    if (builder.getClass().getName().equals(NETTY)) { // an application may have chosen another transport
      ((NettyChannelBuilder) builder).withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, CONNECT_TIMEOUT_MS);
    }
    return builder.build();
  }

  /** After how long without traffic a connection gets a ping, and within how long it must answer the ping. */
  record KeepAlive(Duration time, Duration timeout) {
    /** The default: a gateway accepts pings that are 5 s apart, but grpc-java sends them at least 10 s apart. */
    static final KeepAlive USUAL = new KeepAlive(Duration.ofSeconds(10), Duration.ofSeconds(2));
  }

  /** Gets a token for each call, on the thread that makes the call, and sends it as "authorization: Bearer ...". */
  static ClientInterceptor bearer(Supplier<String> token) {
    return new ClientInterceptor() {
      @Override
      public <ReqT, RespT> ClientCall<ReqT, RespT> interceptCall(
          MethodDescriptor<ReqT, RespT> method, CallOptions options, Channel next) {
        return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
          @Override
          public void start(Listener<RespT> listener, Metadata headers) {
            headers.put(AUTHORIZATION, "Bearer " + Arguments.token(token.get()));
            super.start(listener, headers);
          }
        };
      }
    };
  }
}
