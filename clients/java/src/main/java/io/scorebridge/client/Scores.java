package io.scorebridge.client;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.scorebridge.v1.Column;
import io.scorebridge.v1.ScoreResponse;
import java.lang.reflect.Array;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The answer to one call: a score for each row and output, and for each row where its scores come from. Immutable but
 * for the arrays, which are the caller's own.
 */
public final class Scores {
  private final String requestId;
  private final String model;
  private final int version;
  private final String digest;
  private final int rows;
  private final Map<String, Object> outputs; // double[] or String[]
  private final Source source;
  private final List<DefaultedRows> defaults;
  private final List<FailedRows> failures;
  private final int attempts;
  private final Duration queueTime;
  private final Duration backendTime;

  private Scores(
      String requestId,
      String model,
      int version,
      String digest,
      int rows,
      Map<String, Object> outputs,
      Source source,
      List<DefaultedRows> defaults,
      List<FailedRows> failures,
      int attempts,
      Duration queueTime,
      Duration backendTime) {
    this.requestId = requestId;
    this.model = model;
    this.version = version;
    this.digest = digest;
    this.rows = rows;
    this.outputs = outputs;
    this.source = source;
    this.defaults = List.copyOf(defaults);
    this.failures = List.copyOf(failures);
    this.attempts = attempts;
    this.queueTime = queueTime;
    this.backendTime = backendTime;
  }

  /** The answer to a call of so many rows; a StatusRuntimeException if it makes no sense for that many. */
  static Scores read(ScoreResponse response, int rows) {
    Map<String, Object> outputs = new LinkedHashMap<>();
    for (Column column : response.getScoresList()) {
      outputs.put(column.getName(), values(column, rows));
    }
    if (rows > 0 && outputs.isEmpty()) {
      throw senseless("no scores");
    }
    List<DefaultedRows> defaults =
        response.getDefaultedRowsList().stream().map(part -> DefaultedRows.read(part, rows)).toList();
    List<FailedRows> failures =
        response.getFailedRowsList().stream().map(part -> FailedRows.read(part, rows)).toList();
    Source source =
        switch (response.getSource()) {
          case SCORE_SOURCE_MODEL -> Source.MODEL;
          case SCORE_SOURCE_DEFAULT -> Source.DEFAULT;
          case SCORE_SOURCE_MIXED -> Source.MIXED;
          default -> throw senseless("scores of source " + response.getSourceValue());
        };
    return new Scores(
        response.getRequestId(),
        response.getModel(),
        response.getVersion(),
        response.getDigest(),
        rows,
        outputs,
        source,
        defaults,
        failures,
        response.getAttempts(),
        duration(response.getQueueTime()),
        duration(response.getBackendTime()));
  }

  /** The caller's own default for every row, in the columns that {@link Outputs} has for it. */
  static Scores byClient(
      String requestId, String model, int version, int rows, Map<String, Object> outputs, Failure failure) {
    List<DefaultedRows> defaults =
        rows == 0 ? List.of() : List.of(new DefaultedRows(0, rows, failure.reason(), failure.message(), true));
    return new Scores(
        requestId,
        model,
        version,
        "",
        rows,
        outputs,
        Source.CLIENT_DEFAULT,
        defaults,
        List.of(),
        0,
        Duration.ZERO,
        Duration.ZERO);
  }

  /** What stands for a call of a partial batch that ended with an error: all of its rows failed. */
  static Scores failed(String requestId, String model, int version, int rows, ScoringException error) {
    return new Scores(
        requestId,
        model,
        version,
        "",
        rows,
        Map.of(),
        Source.MIXED,
        List.of(),
        List.of(new FailedRows(0, rows, Failure.eventName(error.reason()), error.getMessage())),
        0,
        Duration.ZERO,
        Duration.ZERO);
  }

  /** One answer for a batch that was cut: its times are the longest, its attempts the sum. */
  static Scores together(String requestId, List<Scores> parts) {
    List<Scores> known = parts.stream().filter(part -> !part.outputs.isEmpty()).toList();
    Scores shown =
        known.stream()
            .filter(part -> part.source != Source.CLIENT_DEFAULT)
            .findFirst()
            .orElseGet(() -> known.isEmpty() ? parts.get(0) : known.get(0));
    int rows = parts.stream().mapToInt(part -> part.rows).sum();
    Map<String, Object> outputs = new LinkedHashMap<>();
    for (Map.Entry<String, Object> output : shown.outputs.entrySet()) {
      Object whole = output.getValue() instanceof double[] ? new double[rows] : new String[rows];
      int first = 0;
      for (Scores part : parts) {
        part.copyTo(output.getKey(), whole, first);
        first += part.rows;
      }
      outputs.put(output.getKey(), whole);
    }
    List<DefaultedRows> defaults = new ArrayList<>();
    List<FailedRows> failures = new ArrayList<>();
    int first = 0;
    for (Scores part : parts) {
      for (DefaultedRows range : part.defaults) {
        defaults.add(range.movedBy(first));
      }
      for (FailedRows range : part.failures) {
        failures.add(range.movedBy(first));
      }
      first += part.rows;
    }
    return new Scores(
        requestId,
        shown.model,
        shown.version,
        shown.digest,
        rows,
        outputs,
        parts.stream().map(part -> part.source).distinct().count() == 1 ? shown.source : Source.MIXED,
        defaults,
        failures,
        parts.stream().mapToInt(part -> part.attempts).sum(),
        parts.stream().map(part -> part.queueTime).max(Duration::compareTo).orElse(Duration.ZERO),
        parts.stream().map(part -> part.backendTime).max(Duration::compareTo).orElse(Duration.ZERO));
  }

  /**
   * The scores of a model with one output. Contributions, leaves and reasons are outputs too: of a model that gives
   * them, ask for the score by its name.
   *
   * @return one number for each row; NaN where the model gave none, and in failed rows.
   * @throws IllegalStateException if there are several outputs, or the output is text.
   */
  public double[] scores() {
    if (outputs.size() != 1) {
      throw new IllegalStateException("the model has the outputs " + outputs.keySet() + ": ask for one by its name");
    }
    return scores(outputs.keySet().iterator().next());
  }

  /**
   * The scores of one output; truth values are 1 and 0.
   *
   * @param output its name.
   * @return one number for each row; NaN where the model gave none, in what explains a score that is a default, and in
   *     failed rows.
   * @throws IllegalStateException if there is no such output, or it is text.
   */
  public double[] scores(String output) {
    if (outputs.get(output) instanceof double[] values) {
      return values;
    }
    throw new IllegalStateException("'" + output + "' is none of the numeric outputs; all are " + outputs.keySet());
  }

  /**
   * The scores of an output that is text.
   *
   * @param output its name.
   * @return one text for each row; null where the model gave none, in what explains a score that is a default, and in
   *     failed rows.
   * @throws IllegalStateException if there is no such output, or it is numeric.
   */
  public String[] texts(String output) {
    if (outputs.get(output) instanceof String[] values) {
      return values;
    }
    throw new IllegalStateException("'" + output + "' is none of the outputs of text; all are " + outputs.keySet());
  }

  /**
   * The names of the outputs.
   *
   * @return in the model's order. A client default of a model that this client has neither an answer nor a description
   *     of has one, "score".
   */
  public List<String> outputs() {
    return List.copyOf(outputs.keySet());
  }

  /**
   * Where the scores come from.
   *
   * @return never null.
   */
  public Source source() {
    return source;
  }

  /**
   * Which rows carry a default score.
   *
   * @return ranges in order; empty if no row does.
   */
  public List<DefaultedRows> defaults() {
    return defaults;
  }

  /**
   * Which rows have no score, of a call with {@link ScoreOptions.Builder#partial}; their scores are missing.
   *
   * @return ranges in order; empty if no row failed.
   */
  public List<FailedRows> failedRows() {
    return failures;
  }

  /**
   * Which rows carry a default score.
   *
   * @return a new set of row numbers, counted from 0.
   */
  public BitSet defaultedRows() {
    BitSet marked = new BitSet(rows);
    defaults.forEach(range -> marked.set(range.first(), range.first() + range.count()));
    return marked;
  }

  /**
   * Whether a row has no score, because the model could not score it.
   *
   * @param row counted from 0.
   * @return true where it is in {@link #failedRows()}.
   */
  public boolean failed(int row) {
    return failures.stream().anyMatch(range -> range.first() <= row && row < range.first() + range.count());
  }

  /**
   * Why a row carries a default score, or has none.
   *
   * @param row counted from 0.
   * @return the event's UPPER_SNAKE name; empty if the score is the model's.
   */
  public Optional<String> reason(int row) {
    return defaults.stream()
        .filter(range -> range.first() <= row && row < range.first() + range.count())
        .map(DefaultedRows::reason)
        .findFirst()
        .or(
            () ->
                failures.stream()
                    .filter(range -> range.first() <= row && row < range.first() + range.count())
                    .map(FailedRows::reason)
                    .findFirst());
  }

  /**
   * How many rows.
   *
   * @return their number.
   */
  public int rows() {
    return rows;
  }

  /**
   * The call's id.
   *
   * @return as it is in the gateway's prediction log.
   */
  public String requestId() {
    return requestId;
  }

  /**
   * The model's name.
   *
   * @return as it was asked for.
   */
  public String model() {
    return model;
  }

  /**
   * The version that answered.
   *
   * @return its number; where the client gave its default, the one that was asked for, 0 if none was.
   */
  public int version() {
    return version;
  }

  /**
   * What the version consists of.
   *
   * @return the digest of every byte of its bundle; empty where the client gave its default.
   */
  public String digest() {
    return digest;
  }

  /**
   * How many times a worker was asked.
   *
   * @return 0 where the gateway did not get that far.
   */
  public int attempts() {
    return attempts;
  }

  /**
   * How long the call waited for a worker.
   *
   * @return zero where the client gave its default.
   */
  public Duration queueTime() {
    return queueTime;
  }

  /**
   * How long the model took.
   *
   * @return zero where the client gave its default.
   */
  public Duration backendTime() {
    return backendTime;
  }

  private void copyTo(String output, Object whole, int first) {
    // A client default knows the outputs' names only if the model has answered before, a call that failed none.
    Object own = outputs.getOrDefault(output, outputs.size() == 1 ? outputs.values().iterator().next() : null);
    if (own != null && own.getClass() == whole.getClass()) {
      System.arraycopy(own, 0, whole, first, rows);
    } else if (whole instanceof double[] numbers) {
      Arrays.fill(numbers, first, first + rows, Double.NaN);
    }
  }

  /** As gRPC itself calls an answer that can't be read. */
  static StatusRuntimeException senseless(String what) {
    return Status.INTERNAL.withDescription("the answer makes no sense: " + what).asRuntimeException();
  }

  private static Object values(Column column, int rows) {
    Object values = values(column);
    if (Array.getLength(values) != rows) {
      throw senseless(Array.getLength(values) + " scores for " + rows + " rows");
    }
    for (int row : column.getMissingRowsList()) {
      if (Integer.compareUnsigned(row, rows) >= 0) {
        throw senseless("row " + Integer.toUnsignedString(row) + " of " + rows + " is missing");
      }
      if (values instanceof double[] numbers) {
        numbers[row] = Double.NaN;
      } else {
        Array.set(values, row, null);
      }
    }
    return values;
  }

  private static Object values(Column column) {
    return switch (column.getValuesCase()) {
      case FLOATS -> column.getFloats().getValuesList().stream().mapToDouble(Float::doubleValue).toArray();
      case INT32S -> column.getInt32S().getValuesList().stream().mapToDouble(Integer::doubleValue).toArray();
      case INT64S -> column.getInt64S().getValuesList().stream().mapToDouble(Long::doubleValue).toArray();
      case BOOLS -> column.getBools().getValuesList().stream().mapToDouble(one -> one ? 1 : 0).toArray();
      case STRINGS -> column.getStrings().getValuesList().toArray(new String[0]);
      default -> column.getDoubles().getValuesList().stream().mapToDouble(Double::doubleValue).toArray();
    };
  }

  private static Duration duration(com.google.protobuf.Duration time) {
    return Duration.ofSeconds(time.getSeconds(), time.getNanos());
  }
}
