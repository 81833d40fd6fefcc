/** The slot of a Redis Cluster that a key is in: 0 to 16,383. The package that the client uses has no types. */
declare module 'cluster-key-slot' {
  export default function slotOf(key: string | Buffer): number;
}
