import io.scorebridge.client.Batch;
import io.scorebridge.client.ScoreOptions;
import io.scorebridge.client.Scores;
import io.scorebridge.client.ScoringClient;
import java.time.Duration;
import java.util.Arrays;

/** Scores two rows: java -cp CLASSPATH ScoreBatch.java HOST:PORT MODEL FEATURE... */
public class ScoreBatch {
  public static void main(String[] arguments) {
    String[] features = Arrays.copyOfRange(arguments, 2, arguments.length);
    double[][] rows = new double[2][features.length];
    for (int feature = 0; feature < features.length; feature++) {
      rows[0][feature] = feature + 1; // your own values here
      rows[1][feature] = feature + 3;
    }
    // One client for the whole service; it may be shared by threads.
    try (ScoringClient client =
        ScoringClient.newBuilder(arguments[0]).timeout(Duration.ofSeconds(10)).defaultScore(0.5).build()) {
      ScoreOptions options = ScoreOptions.newBuilder().requestId("order-4711").build();
      Scores scores = client.score(arguments[1], Batch.of(Arrays.asList(features), rows), options);
      System.out.println(scores.source() + " by version " + scores.version() + ", call " + scores.requestId());
      double[] values = scores.scores();
      for (int row = 0; row < values.length; row++) {
        String why = scores.reason(row).map(reason -> " (" + reason + ")").orElse("");
        System.out.println("row " + row + ": " + values[row] + why);
      }
    }
  }
}
