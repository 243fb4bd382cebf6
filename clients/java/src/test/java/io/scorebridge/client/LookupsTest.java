package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.rpc.ErrorInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.scorebridge.v1.Column;
import io.scorebridge.v1.DefaultReason;
import io.scorebridge.v1.DoubleArray;
import io.scorebridge.v1.ScoreResponse;
import io.scorebridge.v1.ScoreSource;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Where looked-up features came from, and what becomes of a call that has none. */
class LookupsTest {
  private static io.scorebridge.v1.Lookup.Builder told(String name, String batch) {
    return io.scorebridge.v1.Lookup.newBuilder().setName(name).setGroup("users").setBatch(batch);
  }

  private static io.scorebridge.v1.Lookup.Builder aged(String name, String batch, int seconds, int rows) {
    var age = com.google.protobuf.Duration.newBuilder().setSeconds(seconds).setNanos(5);
    return told(name, batch).setAge(age).setPreviousRows(rows).setMissingRows(2 - rows);
  }

  private static io.scorebridge.v1.Lookup.Builder failed(String name, DefaultReason reason) {
    return told(name, "").setMissingRows(2).setFailure(reason);
  }

  private static Scores answer(io.scorebridge.v1.Lookup.Builder... lookups) {
    DoubleArray values = DoubleArray.newBuilder().addValues(0.25).addValues(0.5).build();
    ScoreResponse.Builder response =
        ScoreResponse.newBuilder()
            .addScores(Column.newBuilder().setName("score").setDoubles(values))
            .setSource(ScoreSource.SCORE_SOURCE_MODEL);
    List.of(lookups).forEach(response::addLookups);
    return ScoreAnswer.read(response.build(), 2);
  }

  private static Lookup lookup(String batch, int seconds, int previous, int missing) {
    return new Lookup("history", "users", batch, Duration.ofSeconds(seconds, 5), previous, missing, null);
  }

  @Test
  void everyLookupSaysWhereItsFeaturesCameFrom() {
    List<Lookup> lookups =
        answer(
                aged("history", "2026-11-24", 3, 1),
                told("today", "2026-11-25"),
                failed("shops", DefaultReason.DEFAULT_REASON_STORE_UNAVAILABLE),
                told("towns", "").setFailureValue(42))
            .lookups();
    assertEquals(
        List.of(
            lookup("2026-11-24", 3, 1, 1),
            new Lookup("today", "users", "2026-11-25", null, 0, 0, null),
            new Lookup("shops", "users", "", null, 0, 2, "STORE_UNAVAILABLE"),
            new Lookup("towns", "users", "", null, 0, 0, "REASON_42")),
        lookups);
    assertThrows(UnsupportedOperationException.class, lookups::clear);
    assertEquals(List.of(), answer().lookups());
  }

  @ParameterizedTest
  @ValueSource(ints = {3, -1})
  void aLookupOfMoreRowsThanTheCallHasMakesNoSense(int rows) {
    String counted = Integer.toUnsignedString(rows);
    for (var counts : List.of(told("history", "1").setPreviousRows(rows), told("history", "1").setMissingRows(rows))) {
      var raised = assertThrows(StatusRuntimeException.class, () -> answer(counts));
      assertEquals(
          "the gateway's answer makes no sense: lookup 'history' counts " + counted + " rows, but the call had 2 rows",
          raised.getStatus().getDescription());
    }
  }

  @Test
  void lookupsOfChunksAddUpForEachBatchAndEachFailure() {
    DefaultReason down = DefaultReason.DEFAULT_REASON_STORE_UNAVAILABLE;
    List<Lookup> whole =
        ScoreChunks.together(
                "whole",
                List.of(
                    answer(aged("history", "1", 2, 1), told("today", "2").setMissingRows(1)),
                    answer(),
                    answer(aged("history", "2", 1, 2), told("today", "2").setMissingRows(2)),
                    answer(failed("history", down)),
                    answer(aged("history", "1", 4, 2)),
                    answer(aged("history", "1", 3, 0), failed("history", DefaultReason.DEFAULT_REASON_DEADLINE)),
                    answer(failed("history", down))))
            .lookups();
    assertEquals(
        List.of(
            lookup("1", 4, 3, 3),
            lookup("2", 1, 2, 0),
            new Lookup("history", "users", "", null, 0, 4, "STORE_UNAVAILABLE"),
            new Lookup("history", "users", "", null, 0, 2, "DEADLINE"),
            new Lookup("today", "users", "2", null, 0, 3, null)),
        whole);
    assertThrows(UnsupportedOperationException.class, whole::clear);
  }

  @Test
  void aClientDefaultHasNoLookups() {
    FailedCall failure = FailedCall.of(Status.UNAVAILABLE.asRuntimeException());
    assertEquals(List.of(), Scores.byClient("id", "m", 0, 2, new Outputs().defaults("m", 2, 0.75), failure).lookups());
  }

  @ParameterizedTest
  @CsvSource({
    "FAILED_PRECONDITION,FEATURES_MISSING,LookupFailed,true",
    "FAILED_PRECONDITION,FEATURES_STALE,LookupFailed,true",
    "FAILED_PRECONDITION,VERSION_REFUSED,VersionRefused,false",
    "UNAVAILABLE,STORE_UNAVAILABLE,Unavailable,true",
  })
  void featuresThatCouldNotBeLookedUpAreNoFaultOfTheCaller(
      Status.Code status, String reason, String kind, boolean fallsBack) {
    ErrorInfo info = ErrorInfo.newBuilder().setReason(reason).build();
    FailedCall failure = new FailedCall(status, "said", info, null);
    ScoringException error = failure.exception();
    assertEquals(kind, error.getClass().getSimpleName());
    assertEquals(reason, error.reason());
    assertEquals(status, error.status());
    assertEquals(fallsBack, failure.fallsBack());
    assertEquals(false, failure.ofConnection());
  }
}
