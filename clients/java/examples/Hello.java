import io.scorebridge.client.Batch;
import io.scorebridge.client.Scores;
import io.scorebridge.client.ScoringClient;
import java.time.Duration;
import java.util.List;

public class Hello {
  public static void main(String[] arguments) {
    try (ScoringClient client =
        ScoringClient.newBuilder("127.0.0.1:8081").timeout(Duration.ofSeconds(2)).defaultScore(0.5).build()) {
      Batch rows = Batch.of(List.of("glu", "bmi", "age"), new double[][] {{148, 33.6, 50}});
      Scores answer = client.score("diabetes", rows);
      System.out.println(answer.source() + " " + answer.scores()[0]);
    }
  }
}
