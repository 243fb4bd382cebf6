package io.scorebridge.client;

/**
 * What the file of an xgboost model says about the model. Immutable; may be shared by threads. Only the client makes
 * it, and a later release may add components: read it by its accessors.
 *
 * @param booster "gbtree", "dart" or "gblinear".
 * @param objective the training objective, by xgboost's name.
 * @param rounds the number of boosting rounds in the file.
 * @param bestIteration the round that early stopping found best, counted from 0; null if the model was trained without
 *     early stopping.
 * @param savedBy the version of xgboost that saved the file; empty if the file does not say.
 * @param roundsUsed the number of rounds that are used to predict.
 * @param baseMargin the name of the column that holds each row's base margin; empty if there is no such column.
 */
public record BoosterDetail(
    String booster,
    String objective,
    int rounds,
    Integer bestIteration,
    String savedBy,
    int roundsUsed,
    String baseMargin) {
  /** Reads a gateway's message about a model's file. */
  static BoosterDetail read(io.scorebridge.v1.BoosterDetail booster) {
    return new BoosterDetail(
        booster.getBooster(),
        booster.getObjective(),
        booster.getRounds(),
        booster.hasBestIteration() ? booster.getBestIteration() : null,
        booster.getSavedBy(),
        booster.getRoundsUsed(),
        booster.getBaseMargin());
  }
}
