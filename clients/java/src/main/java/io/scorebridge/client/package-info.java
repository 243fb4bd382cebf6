/**
 * Scores batches at scorebridge gateways. Where no gateway answers, the client returns the caller's default score
 * within the call's timeout, and marks it as such. Start with {@link io.scorebridge.client.ScoringClient}.
 */
package io.scorebridge.client;
