package io.scorebridge.client;

/**
 * What the file of an xgboost model says of itself. Immutable; may be shared by threads. Made by the client: a newer
 * one may have further components, so read it by its accessors.
 *
 * @param booster "gbtree", "dart" or "gblinear".
 * @param objective what the model was trained for, by xgboost's name.
 * @param rounds for how many rounds it was boosted.
 * @param bestIteration the round that early stopping found best, counted from 0; null if it was trained without.
 * @param savedBy the version of xgboost that saved the file; empty if the file does not say.
 * @param roundsUsed how many of the rounds predict.
 * @param baseMargin the column that is the margin a row starts from; empty if there is none.
 */
public record BoosterDetail(
    String booster,
    String objective,
    int rounds,
    Integer bestIteration,
    String savedBy,
    int roundsUsed,
    String baseMargin) {
  /** What a gateway says of a model's file. */
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
