package io.scorebridge.client;

import io.scorebridge.v1.ScoreRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;

/**
 * A big batch that is sent in chunks of neighbouring rows: a call for each chunk, {@value #MOST_IN_FLIGHT} calls at a
 * time, all to one version and with one deadline. If a chunk gets default scores, or fails in a partial batch, only its
 * own rows are affected. A batch of a model that is not row-wise is sent whole. The steps run on threads of gRPC;
 * nothing here waits.
 */
final class ChunkedBatch {
  private static final int MOST_BYTES = 1 << 20; // a larger message delays the gateway's other calls
  private static final int MOST_ROWS = 10_000;
  private static final int MOST_IN_FLIGHT = 8;

  private final ScoreCalls calls;
  private final ModelCalls models;
  private final ScoreRequest head;
  private final Batch batch;
  private final List<String> rowKeys;
  private final Patience patience;
  private final CompletableFuture<Scores> whole = new CompletableFuture<>();
  private final List<Chunk> chunks = new ArrayList<>();
  private final List<CompletableFuture<Scores>> answers = new ArrayList<>(); // of the chunks, in order
  private final NavigableMap<Integer, ScoringException> errors = new TreeMap<>(); // of chunks, by number
  private int begun;
  private int ended;
  private String batchId;
  private int version;

  /** Neighbouring rows of the batch: the chunk's number and its first row, both counted from 0, and how many rows. */
  private record Chunk(int number, int first, int rows) {}

  /**
   * Prepares a batch; {@link #score} sends it.
   *
   * @param head the request that all chunks share, without rows and row keys.
   * @param rowKeys one key for each row, or an empty list.
   * @throws IllegalArgumentException if the request id is too long to begin the ids of the chunks.
   */
  ChunkedBatch(
      ScoreCalls calls,
      ModelCalls models,
      ScoreRequest head,
      Batch batch,
      List<String> rowKeys,
      Patience patience) {
    Arguments.bigRequestId(head.getRequestId());
    this.calls = calls;
    this.models = models;
    this.head = head;
    this.batch = batch;
    this.rowKeys = rowKeys;
    this.patience = patience;
  }

  /** Whether a batch has more rows or bytes than are sent in one call, 10,000 rows or 1 MiB. */
  static boolean isBig(Batch batch) {
    return batch.rows() > 1 && (batch.rows() > MOST_ROWS || batch.bytes() > MOST_BYTES);
  }

  /**
   * Asks whether the model is row-wise, then sends the chunks.
   *
   * @return a future that ends with the scores of the whole batch or a ScoringException. Cancelling the future cancels
   *     the calls.
   */
  CompletableFuture<Scores> score() {
    long began = System.nanoTime();
    if (!calls.admits(patience)) {
      return calls.fallBack(head, batch.rows(), FailedCall.circuitOpen(), began);
    }
    var details = models.details(head.getModel(), head.getVersion(), patience);
    Calls.cancelWith(whole, details);
    whole.whenComplete(
        (value, error) -> {
          if (whole.isCancelled()) {
            cancelChunks();
          }
        });
    details.whenComplete(
        (versions, error) -> {
          if (error == null) {
            guarded(() -> begin(versions));
          } else if (!details.isCancelled()) {
            ScoreCalls.pass(calls.fallBack(head, batch.rows(), FailedCall.of(error), began), whole);
          }
        });
    return whole;
  }

  private void begin(List<ModelDetail> versions) {
    Optional<Integer> rowWise =
        versions.stream()
            .filter(one -> head.getVersion() != 0 || one.version().serving())
            .filter(ModelDetail::rowWise)
            .map(one -> one.version().version())
            .findFirst();
    // If the version is not row-wise, or is not there, the batch is sent whole, and the gateway scores or refuses it.
    version = rowWise.orElse(head.getVersion());
    long wanted = rowWise.isEmpty() ? 1 : Math.max(ceil(batch.bytes(), MOST_BYTES), ceil(batch.rows(), MOST_ROWS));
    int size = (int) ceil(batch.rows(), wanted);
    synchronized (this) {
      for (int first = 0; first < batch.rows(); first += size) {
        chunks.add(new Chunk(chunks.size(), first, Math.min(size, batch.rows() - first)));
        answers.add(new CompletableFuture<>());
      }
      boolean several = chunks.size() > 1;
      batchId = head.getBatchId().isEmpty() && several ? UUID.randomUUID().toString() : head.getBatchId();
    }
    for (int call = 0; call < Math.min(chunks.size(), MOST_IN_FLIGHT); call++) {
      beginNext();
    }
  }

  private void beginNext() {
    Chunk chunk;
    synchronized (this) {
      if (begun == chunks.size() || whole.isDone()) {
        return;
      }
      chunk = chunks.get(begun++);
    }
    CompletableFuture<Scores> asked = calls.ask(request(chunk), chunk.rows, patience.rest());
    synchronized (this) {
      answers.set(chunk.number, asked);
    }
    if (whole.isDone()) {
      asked.cancel(true); // the batch ended while this call began
    }
    asked.whenComplete((value, raised) -> guarded(() -> end(chunk, raised)));
  }

  /** Makes a chunk's request when its call begins: the requests of all chunks at once would double the memory. */
  private ScoreRequest request(Chunk chunk) {
    ScoreRequest.Builder request = head.toBuilder().setVersion(version).setBatchId(batchId);
    if (chunks.size() > 1) {
      request.setRequestId(head.getRequestId() + "/" + chunk.first);
    }
    if (!rowKeys.isEmpty()) {
      request.addAllRowKeys(rowKeys.subList(chunk.first, chunk.first + chunk.rows));
    }
    batch.fill(request, chunk.first, chunk.rows);
    return request.build();
  }

  /** Handles the end of a chunk's call; the error is null if it brought scores. */
  private void end(Chunk chunk, Throwable raised) {
    if (chunks.size() == 1 || !(raised instanceof ScoringException error)) {
      end(raised);
      return;
    }
    error.ofRows(chunk.first, chunk.first + chunk.rows - 1);
    if (!head.getPartial() || !isAlone(error)) {
      end(error);
      return;
    }
    Scores failed = Scores.failed(head.getRequestId(), head.getModel(), version, chunk.rows, error);
    synchronized (this) {
      errors.put(chunk.number, error);
      answers.set(chunk.number, CompletableFuture.completedFuture(failed));
    }
    end(null);
  }

  /**
   * Whether an error of a partial batch's chunk fails only the chunk's own rows. INVALID_ARGUMENT does: a partial call
   * is refused if the model can take none of its rows.
   */
  private static boolean isAlone(ScoringException error) {
    if (error instanceof ScoringException.LookupFailed) {
      return true;
    }
    return switch (error.status()) {
      case NOT_FOUND, FAILED_PRECONDITION, UNAUTHENTICATED, PERMISSION_DENIED, CANCELLED -> false;
      default -> !(error instanceof ScoringException.MessageTooLarge);
    };
  }

  /** Ends the batch if there is an error or this was the last chunk; otherwise begins the next chunk's call. */
  private void end(Throwable raised) {
    if (raised != null) {
      ScoreCalls.pass(CompletableFuture.failedFuture(raised), whole);
      cancelChunks();
      return;
    }
    boolean last;
    synchronized (this) {
      last = ++ended == chunks.size();
    }
    if (!last) {
      beginNext();
    } else if (errors.size() == chunks.size()) {
      whole.completeExceptionally(errors.firstEntry().getValue());
    } else {
      List<Scores> scores = answers.stream().map(CompletableFuture::join).toList();
      whole.complete(scores.size() == 1 ? scores.get(0) : ScoreChunks.together(head.getRequestId(), scores));
    }
  }

  /**
   * Runs a step, and ends the batch with what the step throws, such as an exception of the token's supplier: on a
   * thread of gRPC it would be lost, and the caller would wait for ever.
   */
  private void guarded(Runnable step) {
    try {
      step.run();
    } catch (RuntimeException error) {
      whole.completeExceptionally(error);
      cancelChunks();
    }
  }

  private static long ceil(long whole, long size) {
    return (whole + size - 1) / size;
  }

  private synchronized void cancelChunks() {
    answers.forEach(answer -> answer.cancel(true));
  }
}
