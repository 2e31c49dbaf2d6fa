import { fstatSync, writeSync } from 'node:fs';
import { plainJson, plainLine } from '#base/bytes';
import { UsageError } from '#base/errors';
import type { ProgressEvent, ProgressListener } from '#base/flow';
import { stderr } from '#faces/terminal';

import { formatSize } from './units.ts';

/** Forms of the progress display; `auto` means bars on a terminal and lines elsewhere. */
export const PROGRESS_MODES = ['auto', 'plain', 'json', 'none'] as const;
/** One of them. */
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** A renderer of progress; `stop` removes the bars from the screen. */
export interface ProgressRenderer {
  readonly listen: ProgressListener;
  stop(): void;
}

interface Component {
  unit: 'bytes' | 'items';
  total: number | undefined;
  done: number;
}

const SILENT: ProgressRenderer = { listen: () => {}, stop: () => {} };

/**
 * Chooses the renderer. With `fd` the events also go there as JSON lines, whatever the mode.
 * @throws UsageError when the descriptor is not open for writing
 */
export async function createProgress(
  mode: ProgressMode,
  fd: number | undefined,
): Promise<ProgressRenderer> {
  const lines = fd === undefined ? undefined : jsonTo(checkedFd(fd));
  const shown = await createShown(mode);
  if (lines === undefined) return shown;
  return {
    listen(event) {
      lines(event);
      shown.listen(event);
    },
    stop: shown.stop,
  };
}

async function createShown(mode: ProgressMode): Promise<ProgressRenderer> {
  if (mode === 'none') return SILENT;
  if (mode === 'json') return { listen: jsonTo(2), stop: () => {} };
  return mode === 'auto' && isTerminal() ? createBars() : createLines();
}

/** Whether standard error is a terminal; creates the stream only if it may be one. */
function isTerminal(): boolean {
  return fstatSync(2).isCharacterDevice() && stderr.stream.isTTY;
}

function checkedFd(fd: number): number {
  try {
    writeSync(fd, '');
    return fd;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot write progress to descriptor ${fd}: ${why}`);
  }
}

/** Writes events as JSON lines. A closed reader does not stop the work. */
function jsonTo(fd: number): ProgressListener {
  let isOpen = true;
  return (event) => {
    if (!isOpen) return;
    try {
      writeSync(fd, `${plainJson(JSON.stringify(event))}\n`);
    } catch (error) {
      // If a non-blocking pipe is full, only this line is lost.
      isOpen = (error as NodeJS.ErrnoException).code === 'EAGAIN';
    }
  };
}

function shortId(id: string): string {
  return plainLine(id).replace(/^(sha\d+:[0-9a-f]{12})[0-9a-f]+$/, '$1');
}

function amount(component: Component, value: number): string {
  return component.unit === 'bytes' ? formatSize(value) : `${value}`;
}

/** Lines on stderr: one when a component ends or is skipped, and the notes. */
function createLines(): ProgressRenderer {
  const components = new Map<string, Component>();
  const say = (text: string) => stderr.write(`${plainLine(text)}\n`);
  return {
    listen(event) {
      if (event.type === 'started') {
        components.set(event.id, { unit: event.unit, total: event.total, done: 0 });
      } else if (event.type === 'done') {
        const component = components.get(event.id) ?? { unit: 'items', total: undefined, done: 0 };
        say(`${shortId(event.id)}: done, ${amount(component, event.transferred)}`);
      } else if (event.type === 'skipped') say(`${shortId(event.id)}: already present`);
      else if (event.type === 'note') say(event.text);
    },
    stop() {},
  };
}

/** Bars on a terminal; a component that is done stays as a line. */
async function createBars(): Promise<ProgressRenderer> {
  const { MultiBar, Presets } = await import('cli-progress');
  const bars = new MultiBar(
    {
      stream: stderr.stream,
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: false,
      format: '{bar} {percentage}% {amount} {id}',
      barsize: 30,
      fps: 8,
    },
    Presets.shades_grey,
  );
  const running = new Map<string, { bar: ReturnType<typeof bars.create>; component: Component }>();
  // The library prints lines at the next redraw only, and redraws only while a bar is active.
  const say = (line: string) => {
    const text = plainLine(line);
    if (running.size > 0) bars.log(`${text}\n`);
    else stderr.write(`${text}\n`);
  };
  const show = (id: string) => {
    const entry = running.get(id);
    if (entry === undefined) return;
    const { bar, component } = entry;
    const of = component.total === undefined ? '' : `/${amount(component, component.total)}`;
    bar.setTotal(component.total ?? Math.max(1, component.done));
    bar.update(component.done, {
      id: shortId(id),
      amount: `${amount(component, component.done)}${of}`,
    });
  };
  const finish = (id: string, text: string) => {
    const entry = running.get(id);
    if (entry !== undefined) {
      show(id);
      bars.log(`${text}\n`);
      bars.update();
      running.delete(id);
      bars.remove(entry.bar);
      if (running.size === 0) bars.stop();
    } else say(text);
  };
  const listen = (event: ProgressEvent): void => {
    if (event.type === 'note') say(event.text);
    else if (event.type === 'skipped') finish(event.id, `${shortId(event.id)}: already present`);
    else if (event.type === 'started') {
      const component = { unit: event.unit, total: event.total, done: 0 };
      const bar = bars.create(event.total ?? 1, 0, { id: shortId(event.id), amount: '' });
      running.set(event.id, { bar, component });
    } else {
      const component = running.get(event.id)?.component;
      if (component === undefined) return;
      component.done = event.type === 'done' ? event.transferred : event.done;
      if (event.type === 'advanced') component.total = event.total ?? component.total;
      if (event.type === 'advanced') show(event.id);
      else finish(event.id, `${shortId(event.id)}: done, ${amount(component, component.done)}`);
    }
  };
  const stop = () => {
    if (running.size > 0) bars.stop();
    running.clear();
  };
  return { listen, stop };
}
