import { z } from 'zod';

/** An ID as examples have it. */
export const EXAMPLE_ID = '0199a7c0-5c3e-7d4a-9b1f-2e6d8c0a4f71';

/** The ID of a resource as clients write it, in either case; what is made of it is as it is kept, in lower case. */
export const idOf = (noun: string) =>
  z
    .uuid()
    .toLowerCase()
    .meta({ description: `The ID of the ${noun}, a UUID in either case`, examples: [EXAMPLE_ID] });
