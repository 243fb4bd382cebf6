package io.scorebridge.client;

import io.scorebridge.v1.ModelDetail;
import io.scorebridge.v1.ScoreRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;

/**
 * A batch that is better sent in several calls, {@value #MOST_IN_FLIGHT} at a time, all for one version; a call that
 * falls back, or fails in a partial batch, costs only its own rows. A batch of a model whose rows depend on each other
 * stays whole.
 */
final class BigBatch {
  private static final int MOST_BYTES = 1 << 20; // above it one message holds up the gateway's others
  private static final int MOST_ROWS = 10_000;
  private static final int MOST_IN_FLIGHT = 8;

  private final ScoringClient client;
  private final String model;
  private final Batch batch;
  private final ScoreOptions options;
  private final String requestId;
  private final Patience patience;
  private final CompletableFuture<Scores> whole = new CompletableFuture<>();
  private final List<CompletableFuture<Scores>> parts = new ArrayList<>();
  private final NavigableMap<Integer, ScoringException> errors = new TreeMap<>();
  private int size;
  private int count;
  private int begun;
  private int ended;
  private String batchId;
  private int version;

  BigBatch(
      ScoringClient client, String model, Batch batch, ScoreOptions options, String requestId, Patience patience) {
    this.client = client;
    this.model = model;
    this.batch = batch;
    this.options = options;
    this.requestId = Arguments.bigRequestId(requestId);
    this.patience = patience;
  }

  static boolean isBig(Batch batch) {
    return batch.rows() > 1 && (batch.rows() > MOST_ROWS || batch.bytes() > MOST_BYTES);
  }

  CompletableFuture<Scores> score() {
    long began = System.nanoTime();
    if (!client.circuitAllows(patience)) {
      return client.fallBack(head(), batch.rows(), Failure.circuitOpen(), began);
    }
    var details = client.details(model, options.version, patience);
    whole.whenComplete(
        (value, error) -> {
          if (whole.isCancelled()) {
            details.cancel(true);
            cancelParts();
          }
        });
    details.whenComplete(
        (versions, error) -> {
          if (error == null) {
            guarded(() -> begin(versions));
          } else if (!details.isCancelled()) {
            client
                .fallBack(head(), batch.rows(), Failure.of(error), began)
                .whenComplete((value, raised) -> ScoringClient.pass(whole, value, raised));
          }
        });
    return whole;
  }

  private ScoreRequest head() {
    return client.request(model, options, requestId).build();
  }

  private void begin(List<ModelDetail> versions) {
    var chosen =
        versions.stream()
            .filter(one -> options.version == 0 ? one.getVersion().getServing() : true)
            .filter(ModelDetail::getRowWise)
            .findFirst();
    // Without one that may be cut the gateway gets the whole, and says what it thinks of it.
    version = chosen.map(one -> one.getVersion().getVersion()).orElse(options.version);
    long pieces = chosen.isEmpty() ? 1 : Math.max(ceil(batch.bytes(), MOST_BYTES), ceil(batch.rows(), MOST_ROWS));
    size = (int) ceil(batch.rows(), pieces);
    count = (int) ceil(batch.rows(), size);
    batchId = options.batchId.isEmpty() && count > 1 ? UUID.randomUUID().toString() : options.batchId;
    synchronized (this) {
      for (int part = 0; part < count; part++) {
        parts.add(new CompletableFuture<>());
      }
    }
    for (int part = 0; part < Math.min(count, MOST_IN_FLIGHT); part++) {
      beginNext();
    }
  }

  private void beginNext() {
    int part;
    synchronized (this) {
      if (begun == count || whole.isDone()) {
        return;
      }
      part = begun++;
    }
    int first = part * size;
    int rows = Math.min(size, batch.rows() - first);
    String partId = count == 1 ? requestId : requestId + "/" + first;
    ScoreRequest.Builder request =
        client.request(model, options, partId).setVersion(version).setBatchId(batchId);
    if (!options.rowKeys.isEmpty()) {
      request.addAllRowKeys(options.rowKeys.subList(first, first + rows));
    }
    batch.fill(request, first, rows);
    CompletableFuture<Scores> asked = client.ask(request.build(), rows, patience.rest());
    synchronized (this) {
      parts.set(part, asked);
    }
    if (whole.isDone()) {
      asked.cancel(true); // the batch ended while this call began
    }
    asked.whenComplete(
        (value, raised) -> {
          if (count > 1 && raised instanceof ScoringException error) {
            error.ofRows(first, first + rows - 1);
            if (options.partial && isAlone(error)) {
              guarded(() -> fail(part, rows, error));
              return;
            }
          }
          guarded(() -> end(raised));
        });
  }

  /** It costs no rows but its own: a call is refused, too, where the model can take none of its rows. */
  private static boolean isAlone(ScoringException error) {
    return switch (error.status()) {
      case NOT_FOUND, UNAUTHENTICATED, PERMISSION_DENIED, CANCELLED -> false;
      default -> !(error instanceof ScoringException.MessageTooLarge);
    };
  }

  private void fail(int part, int rows, ScoringException error) {
    synchronized (this) {
      errors.put(part, error);
      parts.set(part, CompletableFuture.completedFuture(Scores.failed(requestId, model, version, rows, error)));
    }
    end(null);
  }

  private void end(Throwable raised) {
    if (raised != null) {
      ScoringClient.pass(whole, null, raised);
      cancelParts();
      return;
    }
    boolean last;
    synchronized (this) {
      last = ++ended == count;
    }
    if (last && errors.size() == count) {
      ScoringClient.pass(whole, null, errors.firstEntry().getValue());
    } else if (last) {
      List<Scores> answers = parts.stream().map(CompletableFuture::join).toList();
      whole.complete(count == 1 ? answers.get(0) : Scores.together(requestId, answers));
    } else {
      beginNext();
    }
  }

  /** On a thread of the library nobody sees what is thrown, such as by the supplier of tokens: the caller would wait. */
  private void guarded(Runnable step) {
    try {
      step.run();
    } catch (RuntimeException error) {
      whole.completeExceptionally(error);
      cancelParts();
    }
  }

  private static long ceil(long whole, long part) {
    return (whole + part - 1) / part;
  }

  private synchronized void cancelParts() {
    parts.forEach(part -> part.cancel(true));
  }
}
