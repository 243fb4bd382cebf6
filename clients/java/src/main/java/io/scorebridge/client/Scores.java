package io.scorebridge.client;

import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The answer to one call: a score for each row and output, and for each row where its scores come from. May be shared
 * by threads; immutable except for the arrays of scores, which the caller may change.
 */
public final class Scores {
  final Map<String, Object> outputs; // by name: double[], String[] or WholeScores' Number[], an entry a row
  private final String requestId;
  private final AnsweredBy by;
  private final int rows;
  private final Source source;
  private final List<DefaultedRows> defaults;
  private final List<FailedRows> failures;

  /** Takes the outputs, by name, as `outputs` has them; the arrays are not copied. */
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

  /** Returns the answer to a call that failed: client defaults for every row, in the given outputs. */
  static Scores byClient(
      String requestId, String model, int version, int rows, Map<String, Object> outputs, FailedCall failure) {
    List<DefaultedRows> defaults =
        rows == 0 ? List.of() : List.of(new DefaultedRows(0, rows, failure.reason(), failure.message(), true));
    AnsweredBy nobody = AnsweredBy.nobody(model, version);
    return new Scores(requestId, nobody, rows, outputs, Source.CLIENT_DEFAULT, defaults, List.of());
  }

  /**
   * Returns the answer for a chunk of a partial batch whose call ended with an error: all of its rows are failed rows.
   */
  static Scores failed(String requestId, String model, int version, int rows, ScoringException error) {
    FailedRows all = new FailedRows(0, rows, FailedCall.eventName(error.reason()), error.getMessage());
    AnsweredBy nobody = AnsweredBy.nobody(model, version);
    return new Scores(requestId, nobody, rows, Map.of(), Source.MIXED, List.of(), List.of(all));
  }

  /**
   * The scores of a model that has one output. Contributions, leaves and reasons are outputs too: for a model that
   * gives them, use {@link #scores(String)} with the name of the score.
   *
   * @return one number for each row; NaN where the model gave no score, and in failed rows.
   * @throws IllegalStateException if there are several outputs, or as {@link #scores(String)} says.
   */
  public double[] scores() {
    if (outputs.size() != 1) {
      throw new IllegalStateException("the model has the outputs " + outputs.keySet() + ": ask for one by its name");
    }
    return scores(outputs.keySet().iterator().next());
  }

  /**
   * The scores of one numeric output; truth values are 1 and 0.
   *
   * @param output the name of the output.
   * @return one number for each row; NaN where the model gave no score and in failed rows. In an output that explains
   *     scores also NaN where the score is a default.
   * @throws IllegalStateException if there is no such output, it is text, or it is a whole number of 64 bits that a
   *     double does not hold: {@link #longs} has these.
   */
  public double[] scores(String output) {
    if (outputs.get(output) instanceof double[] values) {
      return values;
    }
    if (outputs.get(output) instanceof Number[] values) {
      return WholeScores.doubles(output, values);
    }
    throw new IllegalStateException(
        "'" + output + "' is not the name of a numeric output; the outputs are " + outputs.keySet());
  }

  /**
   * The scores of one output of type INT64, with every digit.
   *
   * @param output the name of the output.
   * @return one number for each row, in a new array; null where the model gave no score and in failed rows.
   * @throws IllegalStateException if there is no such output, it is of another type, or a client default in it has a
   *     fraction.
   */
  public Long[] longs(String output) {
    if (outputs.get(output) instanceof Number[] values) {
      return WholeScores.longs(output, values);
    }
    throw new IllegalStateException(
        "'" + output + "' is not the name of an output of type INT64; the outputs are " + outputs.keySet());
  }

  /**
   * The scores of one output that is text.
   *
   * @param output the name of the output.
   * @return one text for each row; null where the model gave no text and in failed rows. In an output that explains
   *     scores also null where the score is a default.
   * @throws IllegalStateException if there is no such output, or it is numeric.
   */
  public String[] texts(String output) {
    if (outputs.get(output) instanceof String[] values) {
      return values;
    }
    throw new IllegalStateException(
        "'" + output + "' is not the name of an output that is text; the outputs are " + outputs.keySet());
  }

  /**
   * The names of the outputs that {@link #scores(String)}, {@link #longs} and {@link #texts} take.
   *
   * @return the names in the model's order. A client default has the one output "score" if this client has seen neither
   *     an answer nor a description of the model.
   */
  public List<String> outputs() {
    return List.copyOf(outputs.keySet());
  }

  /**
   * Where the scores of this answer come from.
   *
   * @return the source; never null.
   */
  public Source source() {
    return source;
  }

  /**
   * Which rows carry a default score, as ranges with the reason.
   *
   * @return the ranges in the order of the rows; empty if no row carries one.
   */
  public List<DefaultedRows> defaults() {
    return defaults;
  }

  /**
   * Which rows have no score, in the answer to a call with {@link ScoreOptions.Builder#partial}.
   *
   * @return the ranges in the order of the rows; empty if no row failed.
   */
  public List<FailedRows> failedRows() {
    return failures;
  }

  /**
   * Which rows carry a default score, as a set of their numbers.
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
   * @param row the number of the row, counted from 0.
   * @return true if the row is in {@link #failedRows()}.
   */
  public boolean failed(int row) {
    return failures.stream().anyMatch(range -> range.first() <= row && row < range.first() + range.count());
  }

  /**
   * Why a row carries a default score, or has no score.
   *
   * @param row the number of the row, counted from 0.
   * @return an UPPER_SNAKE name such as DEADLINE; empty if the score is the model's.
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
   * The number of rows in the answer, which is that of the batch.
   *
   * @return the number of rows.
   */
  public int rows() {
    return rows;
  }

  /**
   * The call's id in the gateway's prediction log. Of a batch that was sent in chunks, the beginning of the chunks'
   * ids.
   *
   * @return the id that the caller gave, or a UUID.
   */
  public String requestId() {
    return requestId;
  }

  /**
   * The name of the model that was asked.
   *
   * @return the name.
   */
  public String model() {
    return by.model();
  }

  /**
   * The number of the version that answered.
   *
   * @return the number; if the client gave its default, the number that the caller named, or 0.
   */
  public int version() {
    return by.version();
  }

  /**
   * The digest of the version that answered, which names every byte of its bundle.
   *
   * @return "sha256:" and 64 hex digits; empty where the client gave its default.
   */
  public String digest() {
    return by.digest();
  }

  /**
   * How many times the gateway asked a worker for the call. Of a batch that was sent in chunks, the sum over its
   * chunks.
   *
   * @return the number of attempts; 0 where no worker was asked.
   */
  public int attempts() {
    return by.attempts();
  }

  /**
   * How long the call waited for a worker. Of a batch that was sent in chunks, the longest time of a chunk.
   *
   * @return the time; zero where the client gave its default.
   */
  public Duration queueTime() {
    return by.queueTime();
  }

  /**
   * How long the model took for the call. Of a batch that was sent in chunks, the longest time of a chunk.
   *
   * @return the time; zero where the client gave its default.
   */
  public Duration backendTime() {
    return by.backendTime();
  }

  /**
   * Where the features came from that the gateway looked up by the keys in the rows. Of a batch that was sent in
   * chunks, a lookup is there once for each feature batch that chunks were answered from, and for each reason for which
   * it failed.
   *
   * @return one entry for each lookup of the model that the call needed; empty where the client gave its default.
   */
  public List<Lookup> lookups() {
    return by.lookups();
  }
}
