package io.scorebridge.client;

import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The answer to one call: a score for each row and output, and for each row where its scores come from. May be shared by
 * threads; immutable but for the arrays of scores, which are the caller's own to change.
 */
public final class Scores {
  final Map<String, Object> outputs; // by name: double[] or String[], one entry a row
  private final String requestId;
  private final AnsweredBy by;
  private final int rows;
  private final Source source;
  private final List<DefaultedRows> defaults;
  private final List<FailedRows> failures;

  Scores(
      String requestId,
      AnsweredBy by,
      int rows,
      Map<String, Object> outputs,
      Source source,
      List<DefaultedRows> defaults,
      List<FailedRows> failures) {
    this.requestId = requestId;
    this.by = by;
    this.rows = rows;
    this.outputs = outputs;
    this.source = source;
    this.defaults = List.copyOf(defaults);
    this.failures = List.copyOf(failures);
  }

  /** The caller's own default for every row of a call that failed, in the columns that {@link Outputs} has for it. */
  static Scores byClient(
      String requestId, String model, int version, int rows, Map<String, Object> outputs, FailedCall failure) {
    List<DefaultedRows> defaults =
        rows == 0 ? List.of() : List.of(new DefaultedRows(0, rows, failure.reason(), failure.message(), true));
    AnsweredBy nobody = AnsweredBy.nobody(model, version);
    return new Scores(requestId, nobody, rows, outputs, Source.CLIENT_DEFAULT, defaults, List.of());
  }

  /** What stands for a chunk of a partial batch whose call ended with an error: all of its rows failed. */
  static Scores failed(String requestId, String model, int version, int rows, ScoringException error) {
    FailedRows all = new FailedRows(0, rows, FailedCall.eventName(error.reason()), error.getMessage());
    AnsweredBy nobody = AnsweredBy.nobody(model, version);
    return new Scores(requestId, nobody, rows, Map.of(), Source.MIXED, List.of(), List.of(all));
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
    return by.model();
  }

  /**
   * The version that answered.
   *
   * @return its number; where the client gave its default, the one that was asked for, 0 if none was.
   */
  public int version() {
    return by.version();
  }

  /**
   * What the version consists of.
   *
   * @return the digest of every byte of its bundle; empty where the client gave its default.
   */
  public String digest() {
    return by.digest();
  }

  /**
   * How many times a worker was asked.
   *
   * @return 0 where the gateway did not get that far.
   */
  public int attempts() {
    return by.attempts();
  }

  /**
   * How long the call waited for a worker.
   *
   * @return zero where the client gave its default.
   */
  public Duration queueTime() {
    return by.queueTime();
  }

  /**
   * How long the model took.
   *
   * @return zero where the client gave its default.
   */
  public Duration backendTime() {
    return by.backendTime();
  }
}
