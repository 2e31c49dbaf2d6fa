/**
 * A reporter of Node's test runner: one line for each test file that came to its own end, with its path. A file that ended otherwise, even with
 * status 0, has no line: its process sends its summary as the last thing.
 */
interface SummaryEvent {
  readonly type: string;
  readonly data: { readonly file?: string | undefined };
}

// biome-ignore lint/style/noDefaultExport: the runner takes the default export of a reporter.
export default async function* endedFiles(
  events: AsyncIterable<SummaryEvent>,
): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    // The summary of the whole run has no file.
    if (type === 'test:summary' && data.file !== undefined) yield `${data.file}\n`;
  }
}
