package io.scorebridge.client;

import io.scorebridge.v1.DefaultPolicy;
import io.scorebridge.v1.ScoreRequest;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** What a call can say beside its model and rows. Immutable; may be shared by calls and threads. */
public final class ScoreOptions {
  private static final ScoreOptions NONE = newBuilder().build();

  final Duration timeout;
  final Double defaultScore;
  final boolean allowDefault;
  final boolean partial;
  final boolean ignoreExtra;
  final int version;
  final String requestId;
  final List<String> rowKeys;
  final String batchId;
  final Map<String, String> labels;

  private ScoreOptions(Builder builder) {
    timeout = builder.timeout;
    defaultScore = builder.defaultScore;
    allowDefault = builder.allowDefault;
    partial = builder.partial;
    ignoreExtra = builder.ignoreExtra;
    version = builder.version;
    requestId = builder.requestId;
    rowKeys = builder.rowKeys;
    batchId = builder.batchId;
    labels = builder.labels;
  }

  /**
   * Leaves everything to the client and the model.
   *
   * @return options that say nothing.
   */
  public static ScoreOptions none() {
    return NONE;
  }

  /**
   * Begins a set of options, which say nothing at first.
   *
   * @return a builder; not to be shared by threads.
   */
  public static Builder newBuilder() {
    return new Builder();
  }

  /** A request of a model with all that is said here, but without rows, row keys, and an id that was not given. */
  ScoreRequest.Builder request(String model, Double clientDefault) {
    ScoreRequest.Builder request =
        ScoreRequest.newBuilder()
            .setRequestId(requestId)
            .setModel(model)
            .setVersion(version)
            .setPartial(partial)
            .setIgnoreExtra(ignoreExtra)
            .setBatchId(batchId)
            .putAllLabels(labels);
    Double chosen = defaultScore == null ? clientDefault : defaultScore;
    if (chosen != null) {
      request.setDefaultScore(chosen);
    }
    if (!allowDefault) {
      request.setDefaultPolicy(DefaultPolicy.DEFAULT_POLICY_NEVER);
    }
    return request;
  }

  /** Collects what {@link ScoreOptions} say. Not to be shared by threads. */
  public static final class Builder {
    private Duration timeout;
    private Double defaultScore;
    private boolean allowDefault = true;
    private boolean partial;
    private boolean ignoreExtra;
    private int version;
    private String requestId = "";
    private List<String> rowKeys = List.of();
    private String batchId = "";
    private Map<String, String> labels = Map.of();

    private Builder() {}

    /**
     * How long the call may take, until its scores or its default score are there.
     *
     * @param timeout positive, 10^8 seconds at most; without one the client's counts, and without that the model's own.
     * @return this builder.
     * @throws IllegalArgumentException if it is null, zero, negative, or over 10^8 seconds.
     */
    public Builder timeout(Duration timeout) {
      this.timeout = Arguments.time("timeout", timeout);
      return this;
    }

    /**
     * Replaces the model's own default score in this call, and is what the client gives where the gateway gives no
     * answer.
     *
     * @param score of every row and numeric output.
     * @return this builder.
     * @throws IllegalArgumentException if it is NaN or infinite.
     */
    public Builder defaultScore(double score) {
      this.defaultScore = Arguments.finite("defaultScore", score);
      return this;
    }

    /**
     * Whether default scores may stand in for the model's.
     *
     * @param allowed false asks for an error instead, of the gateway and of the client.
     * @return this builder.
     */
    public Builder allowDefault(boolean allowed) {
      this.allowDefault = allowed;
      return this;
    }

    /**
     * Whether rows that can't be scored, and have no default score, leave the others theirs: they come back missing,
     * see {@link Scores#failedRows()}. Without it they fail the call, and so do those of a model that is not row-wise.
     * If no row can be scored, the call fails either way.
     *
     * @param wanted true asks for the scores of the other rows.
     * @return this builder.
     */
    public Builder partial(boolean wanted) {
      this.partial = wanted;
      return this;
    }

    /**
     * Whether columns that the model does not know are as if they had not been sent. Without it they refuse the call.
     * The gateway's prediction log says which they were.
     *
     * @param wanted true has them ignored.
     * @return this builder.
     */
    public Builder ignoreExtra(boolean wanted) {
      this.ignoreExtra = wanted;
      return this;
    }

    /**
     * Which version of the model is asked; without it, the one that serves.
     *
     * @param version the version's number; 0 for the one that serves.
     * @return this builder.
     * @throws IllegalArgumentException if it is negative.
     */
    public Builder version(int version) {
      this.version = Arguments.notNegative("version", version);
      return this;
    }

    /**
     * The call's id in logs and answers; without it, the client makes a UUID.
     *
     * @param id 1 to 128 printable ASCII characters, 110 at most for a big batch.
     * @return this builder.
     * @throws IllegalArgumentException if it is something else.
     */
    public Builder requestId(String id) {
      this.requestId = Arguments.requestId(id);
      return this;
    }

    /**
     * Your own ids of the rows, for the prediction log.
     *
     * @param keys one for each row: String, Long, Integer or UUID; all travel as text, of 1 KiB at most.
     * @return this builder.
     * @throws IllegalArgumentException if one is null, too long or of another class; names the row.
     */
    public Builder rowKeys(List<?> keys) {
      this.rowKeys = Arguments.rowKeys(keys);
      return this;
    }

    /**
     * The bigger batch that this call's rows belong to, for the prediction log. A big batch is sent in chunks, which
     * all have this id, or a new UUID without one.
     *
     * @param id any text of 1 KiB at most.
     * @return this builder.
     * @throws IllegalArgumentException if it is null or too long.
     */
    public Builder batchId(String id) {
      this.batchId = Arguments.text("batchId", id);
      return this;
    }

    /**
     * Anything to be kept beside the call in the prediction log.
     *
     * @param labels names and values, 64 at most, each a text of 1 KiB at most.
     * @return this builder.
     * @throws IllegalArgumentException if one is null or too long, or there are too many.
     */
    public Builder labels(Map<String, String> labels) {
      this.labels = Arguments.labels(labels);
      return this;
    }

    /**
     * Makes the options.
     *
     * @return what was said so far.
     */
    public ScoreOptions build() {
      return new ScoreOptions(this);
    }
  }
}
