package io.scorebridge.client;

import io.scorebridge.v1.DefaultPolicy;
import io.scorebridge.v1.ScoreRequest;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** The options of one call, beside its model and rows. Immutable; may be shared by calls and threads. */
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
   * Returns options that set nothing: the client's and the model's own settings apply.
   *
   * @return the empty options.
   */
  public static ScoreOptions none() {
    return NONE;
  }

  /**
   * Begins a set of options; at first none is set.
   *
   * @return a builder; not to be shared by threads.
   */
  public static Builder newBuilder() {
    return new Builder();
  }

  /** Returns a request with these options, without rows and row keys; the request id is empty if none was given. */
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

  /** Collects the options of a call. Not to be shared by threads. */
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
     * Sets how long the call may take until its scores or its default score are there.
     *
     * @param timeout the timeout, over 0 and at most 10^8 seconds. Without this option the client's timeout applies,
     *     and if that is not set either, the model's own.
     * @return this builder.
     * @throws IllegalArgumentException if the timeout is null, zero, negative, or over 10^8 seconds.
     */
    public Builder timeout(Duration timeout) {
      this.timeout = Arguments.time("timeout", timeout);
      return this;
    }

    /**
     * Sets the default score of this call, used instead of the model's own and of the client's; the client gives it
     * where no gateway answers.
     *
     * @param score the default score of every row and numeric output.
     * @return this builder.
     * @throws IllegalArgumentException if the score is NaN or infinite.
     */
    public Builder defaultScore(double score) {
      this.defaultScore = Arguments.finite("defaultScore", score);
      return this;
    }

    /**
     * Sets whether default scores may be given instead of the model's scores; they may by default.
     *
     * @param allowed false for an error instead of any default score, of the gateway or of the client.
     * @return this builder.
     */
    public Builder allowDefault(boolean allowed) {
      this.allowDefault = allowed;
      return this;
    }

    /**
     * Sets whether the other rows are scored if some rows can't be scored and have no default score. The scores of
     * those failed rows are then missing: {@link Scores#failedRows()}. Without this option, and with any model that is
     * not row-wise, one failed row fails the call. If no row can be scored, the call fails in any case.
     *
     * @param wanted true for the scores of the other rows.
     * @return this builder.
     */
    public Builder partial(boolean wanted) {
      this.partial = wanted;
      return this;
    }

    /**
     * Sets whether the gateway ignores columns that the model does not know. Without this option such a column refuses
     * the call. The prediction log names the columns that were ignored.
     *
     * @param wanted true to have them ignored.
     * @return this builder.
     */
    public Builder ignoreExtra(boolean wanted) {
      this.ignoreExtra = wanted;
      return this;
    }

    /**
     * Sets the version of the model that scores; by default the one that serves.
     *
     * @param version the version's number; 0 for the one that serves.
     * @return this builder.
     * @throws IllegalArgumentException if the number is negative.
     */
    public Builder version(int version) {
      this.version = Arguments.notNegative("version", version);
      return this;
    }

    /**
     * Sets the call's id in logs and answers; by default the client makes a UUID.
     *
     * @param id 1 to 128 printable ASCII characters, at most 110 for a big batch.
     * @return this builder.
     * @throws IllegalArgumentException if the id is null, empty, over 128 characters, or not printable ASCII.
     */
    public Builder requestId(String id) {
      this.requestId = Arguments.requestId(id);
      return this;
    }

    /**
     * Sets your own ids of the rows, for the prediction log.
     *
     * @param keys a String, Long, Integer or UUID for each row; all are sent as text of at most 1 KiB.
     * @return this builder.
     * @throws IllegalArgumentException if a key is null, too long or of another class; the message names the row.
     */
    public Builder rowKeys(List<?> keys) {
      this.rowKeys = Arguments.rowKeys(keys);
      return this;
    }

    /**
     * Sets the id of the bigger batch that this call's rows belong to, for the prediction log. The chunks of a big
     * batch all have this id; by default the client makes a UUID for them.
     *
     * @param id any text of at most 1 KiB.
     * @return this builder.
     * @throws IllegalArgumentException if the id is null or too long.
     */
    public Builder batchId(String id) {
      this.batchId = Arguments.text("batchId", id);
      return this;
    }

    /**
     * Sets labels that the prediction log keeps with the call.
     *
     * @param labels at most 64 names and values, each a text of at most 1 KiB.
     * @return this builder.
     * @throws IllegalArgumentException if a name is empty, a name or value is null or too long, or there are over 64
     *     labels.
     */
    public Builder labels(Map<String, String> labels) {
      this.labels = Arguments.labels(labels);
      return this;
    }

    /**
     * Makes the options.
     *
     * @return the options that were set so far.
     */
    public ScoreOptions build() {
      return new ScoreOptions(this);
    }
  }
}
