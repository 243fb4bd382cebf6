import io.scorebridge.client.Batch;
import io.scorebridge.client.Scores;
import io.scorebridge.client.ScoringClient;
import io.scorebridge.client.Source;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Keeps a number of calls in flight for a while, and prints their rate, times and sources: java -cp CLASSPATH Load.java
 * HOST:PORT MODEL COLUMNS ROWS IN_FLIGHT SECONDS [TIMEOUT_MS]
 */
public class Load {
  public static void main(String[] arguments) {
    int columns = Integer.parseInt(arguments[2]);
    int rows = Integer.parseInt(arguments[3]);
    int inFlight = Integer.parseInt(arguments[4]);
    double seconds = Double.parseDouble(arguments[5]);
    Duration timeout = Duration.ofMillis(arguments.length > 6 ? Long.parseLong(arguments[6]) : 1000);
    Random chance = new Random(1);
    double[][] values = new double[rows][columns];
    for (double[] row : values) {
      for (int column = 0; column < columns; column++) {
        row[column] = chance.nextDouble();
      }
    }
    Batch batch = Batch.of(values);
    try (ScoringClient client =
        ScoringClient.newBuilder(arguments[0]).timeout(timeout).defaultScore(0).build()) {
      new Load(client, arguments[1], batch).run(inFlight, seconds / 3); // warms up the virtual machine
      Load load = new Load(client, arguments[1], batch);
      double took = load.run(inFlight, seconds);
      load.print(took);
    }
  }

  private final ScoringClient client;
  private final String model;
  private final Batch batch;
  private final List<Long> nanos = Collections.synchronizedList(new ArrayList<>());
  private final AtomicLong byModel = new AtomicLong();

  private Load(ScoringClient client, String model, Batch batch) {
    this.client = client;
    this.model = model;
    this.batch = batch;
  }

  private double run(int inFlight, double seconds) {
    long began = System.nanoTime();
    long end = began + (long) (seconds * 1e9);
    List<CompletableFuture<Void>> callers = new ArrayList<>();
    for (int caller = 0; caller < inFlight; caller++) {
      CompletableFuture<Void> done = new CompletableFuture<>();
      callers.add(done);
      call(end, done);
    }
    callers.forEach(CompletableFuture::join);
    return (System.nanoTime() - began) / 1e9;
  }

  private void call(long end, CompletableFuture<Void> done) {
    long began = System.nanoTime();
    if (began >= end) {
      done.complete(null);
      return;
    }
    client.scoreAsync(model, batch).whenCompleteAsync((scores, error) -> next(scores, error, began, end, done));
  }

  private void next(Scores scores, Throwable error, long began, long end, CompletableFuture<Void> done) {
    if (error != null) {
      done.completeExceptionally(error);
      return;
    }
    nanos.add(System.nanoTime() - began);
    if (scores.source() == Source.MODEL) {
      byModel.incrementAndGet();
    }
    call(end, done);
  }

  private void print(double seconds) {
    List<Long> sorted = new ArrayList<>(nanos);
    Collections.sort(sorted);
    int calls = sorted.size();
    System.out.printf(
        "%,.0f calls/s, p50 %.2f ms, p99 %.2f ms, %,d calls, %,d scored by the model, defaults %s%n",
        calls / seconds,
        sorted.get(calls / 2) / 1e6,
        sorted.get(Math.min(calls - 1, calls * 99 / 100)) / 1e6,
        calls,
        byModel.get(),
        client.clientDefaults());
  }
}
