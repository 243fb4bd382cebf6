import io.scorebridge.client.Batch;
import io.scorebridge.client.Scores;
import io.scorebridge.client.ScoringClient;
import java.time.Duration;
import java.util.List;

/** Scores one row: java -cp CLASSPATH Hello.java */
public class Hello {
  public static void main(String[] arguments) {
    // One client for the whole service; it may be shared by threads.
    try (ScoringClient client =
        ScoringClient.newBuilder("127.0.0.1:8081").timeout(Duration.ofSeconds(2)).defaultScore(0.5).build()) {
      Batch batch = Batch.of(List.of("glu", "bmi", "age"), new double[][] {{148, 33.6, 50}});
      Scores answer = client.score("diabetes", batch);
      System.out.println(answer.source() + " " + answer.scores()[0]);
    }
  }
}
