package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A client finds gateways again, over paths that break. */
class RecoveryTest {
  private static final Batch ONE = Batch.of(new double[][] {{1, 2}});

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
      assertTrue(second.connections() >= 1, "answered over the address that was left");
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
            client("one:" + first.port() + ",other:" + first.port())
                .timeout(Duration.ofSeconds(20)) // no deadline passes on a busy machine, which would renew all connections
                .lookup(host -> found(names, host))
                .build()) {
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
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (!over.test(score(client))) {
      assertTrue(System.nanoTime() < end, "not within half a minute");
    }
  }
}
