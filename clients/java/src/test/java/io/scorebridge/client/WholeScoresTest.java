package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.Status;
import io.scorebridge.v1.Column;
import io.scorebridge.v1.Int64Array;
import io.scorebridge.v1.ScoreResponse;
import io.scorebridge.v1.ScoreSource;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Outputs of type INT64 keep every digit. */
class WholeScoresTest {
  private static final long BIG = (1L << 53) + 1;

  private static ScoreResponse response(int missing, long... values) {
    var column = Column.newBuilder().setName("id").setInt64S(Int64Array.newBuilder());
    for (long value : values) {
      column.getInt64SBuilder().addValues(value);
    }
    if (missing >= 0) {
      column.addMissingRows(missing);
    }
    return ScoreResponse.newBuilder().addScores(column).setSource(ScoreSource.SCORE_SOURCE_MODEL).build();
  }

  private static Scores read(int missing, long... values) {
    return ScoreAnswer.read(response(missing, values), values.length);
  }

  private static Scores byClient(Outputs outputs, double score) {
    FailedCall failure = FailedCall.of(Status.UNAVAILABLE.asRuntimeException());
    return Scores.byClient("id", "m", 0, 2, outputs.defaults("m", 2, score), failure);
  }

  @Test
  void longsHaveEveryDigit() {
    Scores scores = read(1, BIG, 0, Long.MIN_VALUE, Long.MAX_VALUE);
    assertArrayEquals(new Long[] {BIG, null, Long.MIN_VALUE, Long.MAX_VALUE}, scores.longs("id"));
    assertEquals(
        "'id', row 0, is a whole number that a double does not hold: ask for it by longs",
        assertThrows(IllegalStateException.class, () -> scores.scores("id")).getMessage());
    assertThrows(IllegalStateException.class, scores::scores);
    assertThrows(IllegalStateException.class, () -> scores.texts("id"));
    assertThrows(IllegalStateException.class, () -> scores.longs("other"));
  }

  @Test
  void doublesAreGivenWhereTheyHoldAllNumbers() {
    Scores scores = read(1, BIG - 1, 0, 1 - BIG);
    assertArrayEquals(new double[] {BIG - 1, Double.NaN, 1 - BIG}, scores.scores());
    assertArrayEquals(new Long[] {BIG - 1, null, 1 - BIG}, scores.longs("id"));
  }

  @Test
  void chunksOfABatchKeepThem() {
    ScoringException error = FailedCall.of(Status.DEADLINE_EXCEEDED.asRuntimeException()).exception();
    Scores lost = Scores.failed("id", "m", 3, 1, error);
    Scores whole = ScoreChunks.together("whole", List.of(lost, read(-1, BIG, 2), read(0, 0, BIG)));
    assertArrayEquals(new Long[] {null, BIG, 2L, null, BIG}, whole.longs("id"));
  }

  @Test
  void clientDefaultsAreWholeWhereTheyCanBe() {
    Outputs outputs = new Outputs();
    Scores unknown = byClient(outputs, 7);
    outputs.answered("m", response(-1, 1));
    assertArrayEquals(new Long[] {7L, 7L}, byClient(outputs, 7).longs("id"));
    assertArrayEquals(new double[] {7, 7}, byClient(outputs, 7).scores());
    assertArrayEquals(new double[] {0.5, 0.5}, byClient(outputs, 0.5).scores());
    assertThrows(IllegalStateException.class, () -> byClient(outputs, 0.5).longs("id"));
    Scores whole = ScoreChunks.together("whole", List.of(read(-1, BIG), unknown));
    assertArrayEquals(new Long[] {BIG, 7L, 7L}, whole.longs("id"));
    Scores mixed = ScoreChunks.together("mixed", List.of(read(-1, 3), byClient(outputs, 0.5)));
    assertArrayEquals(new double[] {3, 0.5, 0.5}, mixed.scores());
  }
}
