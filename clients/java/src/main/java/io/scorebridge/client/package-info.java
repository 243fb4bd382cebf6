/**
 * Scores batches at a scorebridge gateway; where no gateway answers, the caller's default score is returned within the
 * call's timeout, and marked as one. Start with {@link io.scorebridge.client.ScoringClient}.
 */
package io.scorebridge.client;
