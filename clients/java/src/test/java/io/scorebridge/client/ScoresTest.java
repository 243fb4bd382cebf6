package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.scorebridge.v1.Column;
import io.scorebridge.v1.ColumnType;
import io.scorebridge.v1.DefaultReason;
import io.scorebridge.v1.DoubleArray;
import io.scorebridge.v1.FloatArray;
import io.scorebridge.v1.ModelVersion;
import io.scorebridge.v1.OutputColumn;
import io.scorebridge.v1.ScoreResponse;
import io.scorebridge.v1.ScoreSource;
import io.scorebridge.v1.StringArray;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ScoresTest {
  private static final Column SCORE =
      Column.newBuilder().setName("score").setDoubles(DoubleArray.newBuilder().addValues(0.25).addValues(0.5)).build();
  private static final Column SHARE =
      Column.newBuilder()
          .setName("share")
          .setFloats(FloatArray.newBuilder().addValues(-0.5f).addValues(0))
          .addMissingRows(1)
          .build();
  private static final Column REASON =
      Column.newBuilder()
          .setName("reason_1")
          .setStrings(StringArray.newBuilder().addValues("age").addValues(""))
          .addMissingRows(1)
          .build();

  private static ScoreResponse response(Column... columns) {
    return ScoreResponse.newBuilder()
        .addAllScores(List.of(columns))
        .setSource(ScoreSource.SCORE_SOURCE_MIXED)
        .addDefaultedRows(defaulted(DefaultReason.DEFAULT_REASON_UNKNOWN_LEVEL))
        .build();
  }

  private static io.scorebridge.v1.DefaultedRows defaulted(DefaultReason reason) {
    return io.scorebridge.v1.DefaultedRows.newBuilder().setFirst(1).setCount(1).setReason(reason).build();
  }

  private static io.scorebridge.v1.FailedRows failed(int first, int count, DefaultReason reason) {
    return io.scorebridge.v1.FailedRows.newBuilder()
        .setFirst(first)
        .setCount(count)
        .setReason(reason)
        .setDetail("too large")
        .build();
  }

  private static Scores byClient(Outputs outputs) {
    FailedCall failure = FailedCall.of(Status.UNAVAILABLE.asRuntimeException());
    return Scores.byClient("id", "m", 0, 2, outputs.defaults("m", 2, 0.75), failure);
  }

  private static OutputColumn described(String name, ColumnType type, boolean additional) {
    return OutputColumn.newBuilder().setName(name).setType(type).setAdditional(additional).build();
  }

  private static ModelDetail detail(boolean serving, OutputColumn... outputs) {
    return ModelDetail.read(
        io.scorebridge.v1.ModelDetail.newBuilder()
            .setVersion(ModelVersion.newBuilder().setModel("m").setServing(serving))
            .addAllOutputs(List.of(outputs))
            .build());
  }

  @Test
  void whatExplainsScoresIsMissingWhereTheyAreDefaults() {
    Scores scores = ScoreAnswer.read(response(SCORE, SHARE, REASON), 2);
    assertEquals(List.of("score", "share", "reason_1"), scores.outputs());
    assertArrayEquals(new double[] {0.25, 0.5}, scores.scores("score"));
    assertArrayEquals(new double[] {-0.5, Double.NaN}, scores.scores("share"));
    assertArrayEquals(new String[] {"age", null}, scores.texts("reason_1"));
    assertEquals(Optional.of("UNKNOWN_LEVEL"), scores.reason(1));
    assertEquals(
        "the model has the outputs [score, share, reason_1]: ask for one by its name",
        assertThrows(IllegalStateException.class, scores::scores).getMessage());
    assertThrows(IllegalStateException.class, () -> scores.scores("reason_1"));
    assertThrows(IllegalStateException.class, () -> scores.texts("score"));
    assertArrayEquals(new double[] {0.25, 0.5}, ScoreAnswer.read(response(SCORE), 2).scores());
  }

  @Test
  void everyReasonOfTheProtoHasItsName() {
    for (DefaultReason reason : DefaultReason.values()) {
      if (reason != DefaultReason.UNRECOGNIZED) {
        String name = DefaultedRows.read(defaulted(reason), 2).reason();
        assertEquals(reason.name(), "DEFAULT_REASON_" + name);
      }
    }
  }

  @Test
  void rowsWithoutAScoreAreMissingAndToldWithTheirReason() {
    ScoreResponse response =
        ScoreResponse.newBuilder()
            .addScores(SCORE.toBuilder().addMissingRows(1))
            .addScores(REASON)
            .setSource(ScoreSource.SCORE_SOURCE_MIXED)
            .addFailedRows(failed(1, 1, DefaultReason.DEFAULT_REASON_INVALID_VALUE))
            .build();
    Scores scores = ScoreAnswer.read(response, 2);
    assertEquals(Source.MIXED, scores.source());
    assertEquals(List.of(new FailedRows(1, 1, "INVALID_VALUE", "too large")), scores.failedRows());
    assertArrayEquals(new double[] {0.25, Double.NaN}, scores.scores("score"));
    assertArrayEquals(new String[] {"age", null}, scores.texts("reason_1"));
    assertEquals(List.of(), scores.defaults());
    assertEquals(List.of(false, true), List.of(scores.failed(0), scores.failed(1)));
    assertEquals(List.of(Optional.empty(), Optional.of("INVALID_VALUE")), List.of(scores.reason(0), scores.reason(1)));
    for (int first : new int[] {2, -1}) {
      var past = response.toBuilder().setFailedRows(0, failed(first, 1, DefaultReason.DEFAULT_REASON_DEADLINE)).build();
      assertThrows(StatusRuntimeException.class, () -> ScoreAnswer.read(past, 2));
    }
  }

  @Test
  void aChunkThatFailedHasItsRowsBehindThoseBeforeIt() {
    Scores scored = ScoreAnswer.read(response(SCORE, REASON), 2);
    ScoringException error = FailedCall.of(Status.DEADLINE_EXCEEDED.withDescription("late").asRuntimeException()).exception();
    Scores lost = Scores.failed("id", "m", 3, 2, error);
    Scores whole = ScoreChunks.together("whole", List.of(lost, scored, lost));
    assertEquals(Source.MIXED, whole.source());
    assertEquals(
        List.of(new FailedRows(0, 2, "DEADLINE", "late"), new FailedRows(4, 2, "DEADLINE", "late")), whole.failedRows());
    assertEquals(3, whole.defaults().get(0).first());
    double missing = Double.NaN;
    assertArrayEquals(new double[] {missing, missing, 0.25, 0.5, missing, missing}, whole.scores("score"));
    assertArrayEquals(new String[] {null, null, "age", null, null, null}, whole.texts("reason_1"));
    assertEquals(Optional.of("DEADLINE"), whole.reason(5));
  }

  @Test
  void aClientDefaultIsANumberAndNoReasonForOne() {
    Outputs outputs = new Outputs();
    Scores unknown = byClient(outputs);
    assertArrayEquals(new double[] {0.75, 0.75}, unknown.scores());
    outputs.answered("m", response(SCORE, REASON));
    Scores known = byClient(outputs);
    assertArrayEquals(new double[] {0.75, 0.75}, known.scores("score"));
    assertArrayEquals(new String[2], known.texts("reason_1"));
    Scores scored = ScoreAnswer.read(response(SCORE, REASON), 2);
    for (Scores other : List.of(known, unknown)) {
      Scores whole = ScoreChunks.together("whole", List.of(scored, other));
      assertArrayEquals(new double[] {0.25, 0.5, 0.75, 0.75}, whole.scores("score"));
      assertArrayEquals(new String[] {"age", null, null, null}, whole.texts("reason_1"));
    }
  }

  @Test
  void whatExplainsScoresIsMissingInClientDefaultsOnceTheModelWasDescribed() {
    Outputs outputs = new Outputs();
    outputs.described(
        List.of(
            detail(false, described("other", ColumnType.COLUMN_TYPE_DOUBLE, false)),
            detail(
                true,
                described("score", ColumnType.COLUMN_TYPE_DOUBLE, false),
                described("share", ColumnType.COLUMN_TYPE_FLOAT, true),
                described("reason_1", ColumnType.COLUMN_TYPE_STRING, true)),
            detail(true)));
    for (int call = 0; call < 2; call++) {
      Scores late = byClient(outputs);
      assertEquals(List.of("score", "share", "reason_1"), late.outputs());
      assertArrayEquals(new double[] {0.75, 0.75}, late.scores("score"));
      assertArrayEquals(new double[] {Double.NaN, Double.NaN}, late.scores("share"));
      assertArrayEquals(new String[2], late.texts("reason_1"));
      outputs.answered("m", response(SCORE, SHARE, REASON));
    }
  }
}
