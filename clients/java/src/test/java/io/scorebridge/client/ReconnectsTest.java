package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** By the clock that the tests turn, and then over paths that break. */
class ReconnectsTest {
  private static final Batch ONE = Batch.of(new double[][] {{1, 2}});
  private static final long MS = 1_000_000;
  private static final long SECOND = 1000 * MS;

  private long now = SECOND;
  private final FakeChannel channel = new FakeChannel();
  private final Reconnects reconnects = new Reconnects(channel, () -> channel.ready++, () -> now);

  private void expire(int calls) {
    for (int call = 0; call < calls; call++) {
      reconnects.called();
      reconnects.expired();
    }
  }

  @Test
  void whileConnectionsFailTheyAreTriedAgainTwiceASecond() {
    reconnects.called();
    reconnects.broke();
    assertEquals(1, channel.resets);
    now += 500 * MS - 1;
    reconnects.broke();
    reconnects.called();
    assertEquals(1, channel.resets);
    now += 1;
    reconnects.called(); // the circuit may have refused it
    reconnects.called();
    assertEquals(2, channel.resets);
    reconnects.answered();
    now += SECOND;
    reconnects.called();
    assertEquals(2, channel.resets);
  }

  @Test
  void whileCallsAreMadeNamesAreLookedUpEveryFiveSeconds() {
    now += 5 * SECOND - 1;
    reconnects.called();
    reconnects.answered();
    assertEquals(0, channel.resets);
    now += 1;
    reconnects.called();
    reconnects.called();
    assertEquals(1, channel.resets);
  }

  @Test
  void aDeadlineInSilenceAsksForAHealthCheck() {
    now += SECOND;
    expire(1);
    assertEquals(1, channel.probes);
    assertTrue(channel.timeout() <= 500 * MS);
    expire(20); // one at a time
    assertEquals(1, channel.probes);
  }

  @Test
  void lessThanAQuarterOfASecondOfSilenceAsksForNone() {
    now += SECOND;
    reconnects.answered();
    now += 250 * MS - 1;
    expire(20);
    assertEquals(0, channel.probes);
    now += 1;
    expire(1);
    assertEquals(1, channel.probes);
  }

  @Test
  void connectionsHaveASecondToBeMade() {
    now += SECOND - 1;
    expire(20);
    assertEquals(0, channel.probes);
    now += 1;
    expire(1);
    assertEquals(1, channel.probes);
  }

  @ParameterizedTest
  @EnumSource(
      value = Status.Code.class,
      names = {"OK", "UNIMPLEMENTED", "UNAUTHENTICATED", "NOT_FOUND", "INTERNAL"})
  void whateverAHealthCheckIsAnsweredNothingIsReplacedAndTheNextIsASecondAway(Status.Code answer) {
    now += SECOND;
    expire(3);
    channel.answer(answer.toStatus());
    assertEquals(0, channel.idles);
    now += SECOND - 1;
    expire(20);
    assertEquals(1, channel.probes);
    now += 1;
    expire(1);
    assertEquals(2, channel.probes);
  }

  @Test
  void withoutAnAnswerAllConnectionsAreMadeAnewUntilThereIsOne() {
    now += SECOND;
    expire(3);
    channel.answer(Status.DEADLINE_EXCEEDED);
    assertEquals(1, channel.idles);
    assertEquals(2, channel.probes);
    assertTrue(500 * MS < channel.timeout() && channel.timeout() <= 1750 * MS); // a connection takes longer
    channel.answer(Status.DEADLINE_EXCEEDED);
    assertEquals(2, channel.idles);
    channel.answer(Status.OK);
    assertEquals(2, channel.idles);
    assertEquals(3, channel.probes);
  }

  @Test
  void nothingIsAskedForAClientThatIsNotUsed() {
    now += SECOND;
    expire(3);
    now += 5 * SECOND;
    channel.answer(Status.DEADLINE_EXCEEDED);
    assertEquals(1, channel.idles);
    assertEquals(1, channel.probes);
    expire(3);
    assertEquals(1, channel.probes); // the connections are too young
    now += SECOND;
    expire(1);
    assertEquals(2, channel.probes);
  }

  @Test
  void aHealthCheckWhoseConnectionFailsHasThemTriedAgain() {
    now += SECOND;
    expire(3);
    channel.answer(Status.UNAVAILABLE);
    assertEquals(0, channel.idles);
    assertEquals(1, channel.resets);
    now += 500 * MS;
    reconnects.called();
    assertEquals(2, channel.resets);
  }

  @Test
  void aConnectionThatIsReadyIsTold() {
    channel.move(ConnectivityState.CONNECTING);
    assertEquals(0, channel.ready);
    channel.move(ConnectivityState.READY);
    channel.move(ConnectivityState.TRANSIENT_FAILURE);
    channel.move(ConnectivityState.READY);
    assertEquals(2, channel.ready);
    channel.move(ConnectivityState.SHUTDOWN);
    assertEquals(null, channel.watcher);
  }

  @Test
  void aGatewayThatIsAwayIsTriedTwiceASecondWhileCallsAreMade() throws Exception {
    try (TcpProxy path = new TcpProxy(World.get().target("healthy"));
        ScoringClient client = client(path.target()).build()) {
      scoreUntil(client, source -> source == Source.MODEL);
      path.hangUp();
      int tried = path.connections() + 12; // gRPC alone takes minutes for so many
      scoreUntil(client, source -> path.connections() >= tried);
      path.pass();
      scoreUntil(client, source -> source == Source.MODEL);
    }
  }

  @Test
  void connectionsThatWentSilentAreReplacedUntilOneIsNot() throws Exception {
    try (TcpProxy path = new TcpProxy(World.get().target("healthy"));
        ScoringClient client = client(path.target()).build()) {
      scoreUntil(client, source -> source == Source.MODEL);
      path.swallow();
      int tried = path.connections() + 2;
      scoreUntil(client, source -> path.connections() >= tried);
      path.pass();
      scoreUntil(client, source -> source == Source.MODEL);
    }
  }

  @Test
  void aGatewayAnswersTheHealthCheckSoThatItsConnectionStays() throws Exception {
    ManagedChannel real =
        Grpc.newChannelBuilder(World.get().target("healthy"), InsecureChannelCredentials.create()).build();
    try (ScoringClient client = ScoringClient.newBuilder("unused").channel(real).build()) {
      client.models();
      channel.real = real;
      now += SECOND;
      expire(3);
      channel.ended.get(20, TimeUnit.SECONDS);
      assertEquals(1, channel.probes);
      assertEquals(0, channel.idles);
    } finally {
      real.shutdownNow();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"one:%d", "one:%d,other:%d"})
  void aGatewayThatMovedIsFoundByItsName(String target) throws Exception {
    Map<String, InetAddress> names = new ConcurrentHashMap<>(Map.of("one", InetAddress.getByName("127.0.0.1")));
    try (TcpProxy first = new TcpProxy(World.get().target("healthy"));
        TcpProxy second = new TcpProxy("127.0.0.2", first.port(), World.get().target("healthy"));
        ScoringClient client =
            client(target.replace("%d", "" + first.port())).lookup(host -> found(names, host)).build()) {
      scoreUntil(client, source -> source == Source.MODEL);
      assertEquals(0, second.connections());
      names.put("one", InetAddress.getByName("127.0.0.2"));
      first.refuse();
      scoreUntil(client, source -> source == Source.MODEL);
      assertEquals(1, second.connections());
    }
  }

  @Test
  void aGatewayThatMovedIsFoundWhileTheOtherAnswers() throws Exception {
    Map<String, InetAddress> names = new ConcurrentHashMap<>();
    names.put("one", InetAddress.getByName("127.0.0.1"));
    names.put("other", InetAddress.getByName("127.0.0.2"));
    String gateway = World.get().target("healthy");
    try (TcpProxy first = new TcpProxy(gateway);
        TcpProxy other = new TcpProxy("127.0.0.2", first.port(), gateway);
        TcpProxy moved = new TcpProxy("127.0.0.3", first.port(), gateway);
        ScoringClient client =
            client("one:" + first.port() + ",other:" + first.port()).lookup(host -> found(names, host)).build()) {
      scoreUntil(client, source -> source == Source.MODEL);
      names.put("one", InetAddress.getByName("127.0.0.3")); // the old address goes on to answer
      scoreUntil(client, source -> moved.connections() > 0);
      assertEquals(1, other.connections());
    }
  }

  @Test
  void aNameThatIsNotKnownForTheMomentKeepsItsAddresses() throws Exception {
    InetAddress[] found = {InetAddress.getByName("127.0.0.1")};
    Map<String, InetAddress> names = new ConcurrentHashMap<>(Map.of("one", found[0]));
    GatewayNames.Lookup lookup = GatewayNames.remembering(host -> found(names, host));
    assertArrayEquals(found, lookup.addresses("one"));
    names.clear();
    assertArrayEquals(found, lookup.addresses("one"));
    names.put("one", InetAddress.getByName("127.0.0.2"));
    assertArrayEquals(new InetAddress[] {InetAddress.getByName("127.0.0.2")}, lookup.addresses("one"));
  }

  private static InetAddress[] found(Map<String, InetAddress> names, String host) throws UnknownHostException {
    InetAddress address = names.get(host);
    if (address == null) {
      throw new UnknownHostException(host);
    }
    return new InetAddress[] {address};
  }

  private static ScoringClient.Builder client(String target) {
    return ScoringClient.newBuilder(target).timeout(Duration.ofMillis(400)).defaultScore(-1);
  }

  private static Source score(ScoringClient client) {
    return client.score("affine", ONE).source();
  }

  /** Ends with an error if it would never. */
  private static void scoreUntil(ScoringClient client, Predicate<Source> over) {
    long end = System.nanoTime() + 30 * SECOND;
    while (!over.test(score(client))) {
      assertTrue(System.nanoTime() < end, "not within half a minute");
    }
  }

  /** Counts what is asked of it, and ends its one call as a test says. */
  private static final class FakeChannel extends ManagedChannel {
    private int resets;
    private int idles;
    private int probes;
    private int ready;
    private final CompletableFuture<Status> ended = new CompletableFuture<>();
    private ManagedChannel real;
    private CallOptions options;
    private ClientCall.Listener<?> listener;
    private Runnable watcher;
    private ConnectivityState state = ConnectivityState.IDLE;

    void answer(Status status) {
      listener.onClose(status, new Metadata());
    }

    void move(ConnectivityState to) {
      state = to;
      Runnable told = watcher;
      watcher = null;
      told.run();
    }

    long timeout() {
      return options.getDeadline().timeRemaining(TimeUnit.NANOSECONDS);
    }

    @Override
    public void resetConnectBackoff() {
      resets++;
    }

    @Override
    public void enterIdle() {
      idles++;
    }

    @Override
    public ConnectivityState getState(boolean requestConnection) {
      return state;
    }

    @Override
    public void notifyWhenStateChanged(ConnectivityState source, Runnable callback) {
      watcher = callback;
    }

    @Override
    public <ReqT, RespT> ClientCall<ReqT, RespT> newCall(
        MethodDescriptor<ReqT, RespT> method, CallOptions callOptions) {
      assertEquals("grpc.health.v1.Health/Check", method.getFullMethodName());
      options = callOptions;
      probes++;
      if (real != null) {
        return new SimpleForwardingClientCall<>(real.newCall(method, callOptions)) {
          @Override
          public void start(Listener<RespT> started, Metadata headers) {
            super.start(
                new SimpleForwardingClientCallListener<>(started) {
                  @Override
                  public void onClose(Status status, Metadata trailers) {
                    super.onClose(status, trailers);
                    ended.complete(status);
                  }
                },
                headers);
          }
        };
      }
      return new ClientCall<>() {
        @Override
        public void start(Listener<RespT> started, Metadata headers) {
          listener = started;
        }

        @Override
        public void request(int messages) {}

        @Override
        public void cancel(String message, Throwable cause) {}

        @Override
        public void halfClose() {}

        @Override
        public void sendMessage(ReqT message) {}
      };
    }

    @Override
    public String authority() {
      return "fake";
    }

    @Override
    public ManagedChannel shutdown() {
      return this;
    }

    @Override
    public ManagedChannel shutdownNow() {
      return this;
    }

    @Override
    public boolean isShutdown() {
      return false;
    }

    @Override
    public boolean isTerminated() {
      return false;
    }

    @Override
    public boolean awaitTermination(long timeout, TimeUnit unit) {
      return true;
    }
  }
}
