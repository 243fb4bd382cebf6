package io.scorebridge.client;

import com.google.protobuf.InvalidProtocolBufferException;
import io.scorebridge.v1.Column;
import io.scorebridge.v1.DoubleArray;
import io.scorebridge.v1.ScoreRequest;
import io.scorebridge.v1.ScoreResponse;
import io.scorebridge.v1.ScoreSource;
import java.util.List;
import java.util.Map;

/** Loads the classes that a client's first call needs. May be used by any thread. */
final class WarmUp {
  private WarmUp() {}

  /** Writes and reads the messages of a call without making it; takes up to a second in a new virtual machine. */
  static void loadClasses() {
    try {
      for (Batch batch :
          List.of(
              Batch.of(new double[][] {{1}}),
              Batch.of(List.of("a"), new float[][] {{1}}),
              Batch.columns().doubles("a", 1).ints("b", 1).longs("c", 1).booleans("d", true).build(),
              Batch.ofMaps(List.of(Map.of("a", 1, "b", "x"))))) {
        ScoreRequest.Builder request = ScoreRequest.newBuilder();
        batch.fill(request, 0, batch.rows());
        ScoreRequest.parseFrom(request.build().toByteArray());
      }
      Column score = Column.newBuilder().setName("score").setDoubles(DoubleArray.newBuilder().addValues(1)).build();
      ScoreResponse response =
          ScoreResponse.newBuilder().addScores(score).setSource(ScoreSource.SCORE_SOURCE_MODEL).build();
      ScoreAnswer.read(ScoreResponse.parseFrom(response.toByteArray()), 1).scores();
    } catch (InvalidProtocolBufferException error) {
      throw new IllegalStateException("protobuf can't read a message that it has just written", error);
    }
  }
}
