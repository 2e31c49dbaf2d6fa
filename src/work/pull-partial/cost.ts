/** Transfer cost of a server, measured at the host. */
export interface TransferCost {
  /** Milliseconds until the first byte of a response. */
  readonly requestMs: number;
  /** Bytes per millisecond, all connections together. */
  readonly bytesPerMs: number;
  /** Number of parallel requests. */
  readonly connections: number;
}

/** An amount of transfer: requests and the bytes of their bodies. */
export interface Transfer {
  readonly requests: number;
  readonly bytes: number;
}

/** Nothing to transfer. */
export const NO_TRANSFER: Transfer = { requests: 0, bytes: 0 };

/** The sum of two transfers. */
export function addTransfers(a: Transfer, b: Transfer): Transfer {
  return { requests: a.requests + b.requests, bytes: a.bytes + b.bytes };
}

/** How long a transfer takes, in milliseconds: rounds of requests, and bytes. */
export function transferMs({ requests, bytes }: Transfer, cost: TransferCost): number {
  const rounds = Math.ceil(requests / Math.max(cost.connections, 1));
  return rounds * cost.requestMs + bytes / cost.bytesPerMs;
}
