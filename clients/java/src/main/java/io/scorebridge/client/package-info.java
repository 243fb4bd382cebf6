/**
 * Scores batches at a scorebridge gateway; where the gateway can't answer, the caller's default score is returned in
 * time and marked as one. Start with {@link io.scorebridge.client.ScoringClient}.
 */
package io.scorebridge.client;
