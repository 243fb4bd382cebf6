package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.ConnectivityState;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** When gateways are looked for, by a clock that the tests turn. */
class ReconnectsTest {
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
}
