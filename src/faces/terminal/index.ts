/**
 * What every program with a terminal needs: standard output and standard error as channels, broken pipes, and the mistake of a person who
 * typed the command.
 */
export { Channel, leave, stderr, stdout } from './channels.ts';
export { UsageError } from './usage-error.ts';
