package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CircuitTest {
  private static final long MS = 1_000_000;
  private static final long SECOND = 1000 * MS;
  private long now = 5 * SECOND;

  private Circuit opened(int failures, long timeoutNanos) {
    Circuit circuit = new Circuit(failures, SECOND, () -> now);
    for (int failure = 0; failure < failures; failure++) {
      assertTrue(circuit.allows(timeoutNanos));
      circuit.failed(timeoutNanos);
    }
    return circuit;
  }

  @ParameterizedTest
  @ValueSource(longs = {MS, 2 * SECOND, Circuit.FOREVER})
  void anOpenCircuitRefusesWhatWasTried(long timeout) {
    Circuit circuit = opened(5, timeout);
    now += SECOND - 1;
    assertFalse(circuit.allows(timeout));
    assertFalse(circuit.allows(timeout - 1));
  }

  @Test
  void itStaysClosedUntilTheLastOfSoManyFailures() {
    Circuit circuit = opened(4, SECOND);
    Circuit five = new Circuit(5, SECOND, () -> now);
    for (int failure = 0; failure < 4; failure++) {
      five.failed(SECOND);
    }
    assertFalse(circuit.allows(SECOND));
    assertTrue(five.allows(SECOND));
  }

  @Test
  void itLetsOneCallThroughEachTimeItsPauseIsOver() {
    Circuit circuit = opened(2, SECOND);
    now += SECOND;
    assertTrue(circuit.allows(SECOND));
    assertFalse(circuit.allows(SECOND));
    now += SECOND - 1;
    assertFalse(circuit.allows(SECOND));
    now += 1;
    assertTrue(circuit.allows(SECOND));
  }

  @Test
  void anAnswerClosesIt() {
    Circuit circuit = opened(2, SECOND);
    circuit.answered();
    assertTrue(circuit.allows(MS));
    assertTrue(circuit.allows(MS));
    circuit.failed(MS);
    now += SECOND;
    assertTrue(circuit.allows(MS));
  }

  @Test
  void failuresBetweenAnswersToOthersDoNotOpenIt() {
    Circuit circuit = new Circuit(2, SECOND, () -> now);
    circuit.answered();
    now += 100 * MS - 1;
    circuit.failed(MS);
    circuit.failed(MS);
    assertTrue(circuit.allows(MS));
    now += 1;
    circuit.failed(MS);
    assertFalse(circuit.allows(MS));
  }

  @Test
  void zeroFailuresNeverOpenIt() {
    Circuit circuit = new Circuit(0, SECOND, () -> now);
    for (int failure = 0; failure < 100; failure++) {
      circuit.failed(Circuit.FOREVER);
    }
    assertTrue(circuit.allows(MS));
  }

  @Test
  void aCallThatIsWillingToWaitLongerIsLetThrough() {
    Circuit circuit = opened(5, MS);
    assertFalse(circuit.allows(MS));
    for (int call = 0; call < 9; call++) {
      assertTrue(circuit.allows(2 * SECOND)); // all of them, as none was in vain
    }
    circuit.failed(2 * SECOND);
    assertFalse(circuit.allows(2 * SECOND));
    assertTrue(circuit.allows(3 * SECOND));
    assertTrue(circuit.allows(Circuit.FOREVER));
  }

  @Test
  void aCallThatIsLessPatientTakesTheTrialFromNobody() {
    Circuit circuit = opened(5, 2 * SECOND);
    assertFalse(circuit.allows(2 * SECOND));
    now += SECOND;
    assertTrue(circuit.allows(MS));
    circuit.failed(MS);
    assertTrue(circuit.allows(2 * SECOND));
    circuit.failed(2 * SECOND);
    assertFalse(circuit.allows(2 * SECOND));
  }

  @Test
  void theLongestWaitOfARowCounts() {
    Circuit circuit = new Circuit(3, SECOND, () -> now);
    circuit.failed(MS);
    circuit.failed(2 * SECOND);
    circuit.failed(MS);
    assertFalse(circuit.allows(2 * SECOND));
    assertTrue(circuit.allows(2 * SECOND + 1));
    circuit.answered();
    circuit.failed(MS);
    circuit.failed(MS);
    circuit.failed(MS);
    now += 100 * MS;
    circuit.failed(MS);
    assertTrue(circuit.allows(MS + 1));
  }

  @Test
  void aFailedConnectionSaysItAllToEveryCaller() {
    Circuit circuit = opened(4, MS);
    circuit.failed(Circuit.FOREVER);
    assertFalse(circuit.allows(2 * SECOND));
    assertFalse(circuit.allows(Circuit.FOREVER));
  }

  @Test
  void shortCallsDoNotShutOutAPatientCaller() throws IOException {
    Batch one = Batch.of(new double[][] {{1, 2}});
    ScoreOptions hasty = ScoreOptions.newBuilder().timeout(Duration.ofNanos(1)).build();
    ScoreOptions patient = ScoreOptions.newBuilder().timeout(Duration.ofSeconds(20)).build();
    try (ScoringClient client = ScoringClient.newBuilder(World.get().target("healthy")).defaultScore(-1).build()) {
      client.score("affine", one, patient);
      AtomicBoolean over = new AtomicBoolean();
      CompletableFuture<Void> others =
          CompletableFuture.runAsync(
              () -> {
                while (!over.get()) {
                  client.score("affine", one, hasty);
                }
              });
      long refused = 0;
      for (int call = 0; call < 20; call++) {
        while (client.clientDefaults().getOrDefault("CLIENT_CIRCUIT_OPEN", 0L) == refused) {
          Thread.onSpinWait(); // until the circuit is open again for the others
        }
        refused = client.clientDefaults().get("CLIENT_CIRCUIT_OPEN");
        assertEquals(Source.MODEL, client.score("affine", one, patient).source());
      }
      over.set(true);
      others.join();
    }
  }
}
