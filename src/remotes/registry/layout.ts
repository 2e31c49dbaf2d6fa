/** Longest WWW-Authenticate that is read, in bytes. */
export const CHALLENGE_MAX_BYTES = 8_192;
/** Most challenges of an answer, and parameters of a challenge. */
export const CHALLENGES_MAX = 16;
export const CHALLENGE_PARAMETERS_MAX = 32;
