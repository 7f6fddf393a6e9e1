/**
 * Cases of products with plain and with packed matrices, of dequantisation and of table lookups.
 */
import * as core from "../../src/core/mod.ts";
import type { HostTensor, PackedType } from "../../src/core/mod.ts";
import {
  type Case,
  type Draw,
  drawn,
  EXACT,
  normal,
  type OpCases,
  PLAIN,
  SIZES,
  truth,
  typed,
  type View,
  viewed,
  VIEWS,
  whole,
} from "./case.ts";

/** [m, k, n] with each size in each place, and the larger ones together. */
const PRODUCTS: readonly (readonly [number, number, number])[] = [
  ...SIZES.flatMap((size) => [[size, 7, 17], [3, size, 65], [17, 5, size]] as const),
  ...SIZES.flatMap((size) => [[1, size, 130], [65, 130, size]] as const),
  [64, 64, 64],
  [4, 256, 16],
  [130, 17, 130],
];

function product(
  [m, k, n]: readonly [number, number, number],
  [left, right]: readonly [View, View],
): Case {
  const a = viewed(left, [m, k], normal, 1);
  const b = viewed(right, [k, n], normal, 2);
  return {
    label: `[${m}, ${k}] ${left.label} by [${k}, ${n}] ${right.label}`,
    inputs: [a.input, b.input],
    f: (x, y) => core.matmul(a.operand(x), b.operand(y)),
  };
}

function batches(): Case[] {
  return [0, 1, 3].flatMap((batch): Case[] => {
    const [a, b] = [drawn([batch, 5, 17], normal, 1), drawn([batch, 17, 7], normal, 2)];
    return [
      { label: `batch of ${batch}`, inputs: [a, b], f: core.matmul },
      {
        label: `batch of ${batch}, one matrix repeated`,
        inputs: [a, drawn([17, 7], normal, 3)],
        f: (x, y) => core.matmul(x, core.broadcastTo(y, [batch, 17, 7])),
      },
      {
        label: `heads of ${batch} rows`,
        inputs: [drawn([batch, 3, 8], normal, 4), drawn([7, 3, 8], normal, 5)],
        f: (x, y) => core.matmul(core.permute(x, [1, 0, 2]), core.permute(y, [1, 2, 0])),
      },
      {
        label: `two batch axes, ${batch} and 2`,
        inputs: [drawn([batch, 2, 3, 4], normal, 6), drawn([2, batch, 4, 5], normal, 7)],
        f: (x, y) => core.matmul(x, core.permute(y, [1, 0, 2, 3])),
      },
    ];
  });
}

function products(): Case[] {
  const transposed = VIEWS[0];
  return [
    ...PRODUCTS.flatMap((
      sizes,
    ) => [product(sizes, [PLAIN, PLAIN]), product(sizes, [PLAIN, transposed])]),
    ...VIEWS.flatMap((view) => [
      product([17, 65, 7], [view, PLAIN]),
      product([3, 64, 65], [PLAIN, view]),
      product([5, 17, 66], [transposed, view]),
    ]),
    ...batches(),
    {
      label: "an expression by an expression",
      inputs: [drawn([7, 17], normal, 1), drawn([17, 5], normal, 2)],
      f: (a, b) => core.mul(core.matmul(core.sin(a), core.add(b, 1)), 0.5),
    },
    {
      label: "a matrix by its own transpose",
      inputs: [drawn([17, 65], normal, 1)],
      f: (a) => core.matmul(a, core.transpose(a)),
    },
  ];
}

/** Columns that each packed type allows: from one block or element to more than a tile. */
const PACKED_COLUMNS: { readonly [type in PackedType]: readonly number[] } = {
  packed_f32: [1, 3, 17, 64, 130],
  packed_f16: [1, 3, 17, 64, 130],
  packed_q8_0: [32, 64, 160],
  packed_q4_0: [32, 64, 160],
  packed_q4_1: [32, 64, 160],
  integer_q8_0: [32, 64, 160],
  integer_q4_0: [32, 64, 160],
  integer_q4_1: [32, 64, 160],
};
/** Every packed type, in the order of the table above. */
export const PACKED_TYPES: readonly PackedType[] = [
  "packed_f32",
  "packed_f16",
  "packed_q8_0",
  "packed_q4_0",
  "packed_q4_1",
  "integer_q8_0",
  "integer_q4_0",
  "integer_q4_1",
];

/** A random packed matrix [rows, columns]. */
export function packedMatrix(type: PackedType, rows: number, columns: number): HostTensor {
  const values = normal(rows * columns, rows + columns);
  return core.packedHostTensor(type, [rows, columns], core.packMatrix(type, rows, columns, values));
}

/**
 * Activations that 8 bits hold exactly, block by block of 32: whole multiples of 1/64 up to 127/64,
 * which occurs in every block. So products in integers are held to the tolerance of all others.
 */
const eightBits: Draw = (size, seed) =>
  normal(size, seed).map((x, i) =>
    i % 32 === 0 ? 127 / 64 : Math.max(-127, Math.min(127, Math.round(x * 50))) / 64
  );

function packedProducts(): Case[] {
  return PACKED_TYPES.flatMap((type) =>
    PACKED_COLUMNS[type].flatMap((columns) =>
      [1, 16, 17, 64, 130].flatMap((rows, i) =>
        [0, 1, 2, 3, 4, 5, 7, 8, 17, 65].filter((m) => m < 9 || i % 2 === 0).map((m): Case => ({
          label: `${m} rows by ${type}[${rows}, ${columns}]`,
          inputs: [
            drawn([m, columns], core.isInteger(type) ? eightBits : normal, 3),
            packedMatrix(type, rows, columns),
          ],
          f: core.linear,
        }))
      )
    )
  );
}

function dequantizations(): Case[] {
  return PACKED_TYPES.flatMap((type) =>
    PACKED_COLUMNS[type].flatMap((columns) =>
      [0, 1, 15, 16, 17, 130].map((rows): Case => ({
        label: `${type}[${rows}, ${columns}]`,
        inputs: [packedMatrix(type, rows, columns)],
        f: core.dense,
      }))
    )
  );
}

/** Row numbers of a table, some of them outside and some of them twice. */
function rowNumbers(tableRows: number): Draw {
  return (size, seed) => {
    const drawnRows = whole(size, seed).map((x) => ((x * 7) % (tableRows + 2)) - (x > 3 ? 1 : 0));
    return drawnRows.map((row, i) => i === 0 ? tableRows : i === 1 ? -1 : row);
  };
}

/** Row numbers that never repeat: what the gradient of `set` supposes. */
function distinctRows(tableRows: number): Draw {
  return (size, seed) => {
    const order = core.permutation(core.keyOf(seed), Math.max(tableRows, size) + 2);
    return order.slice(0, size).map((row) => row - 1);
  };
}

const DRAW = { f32: normal, i32: whole, bool: truth } as const;

/** Sizes of table, rows and width: each awkward size in each place. */
const TABLES = SIZES.flatMap((size) => [[size, 5, 3], [7, size, 17], [17, 9, size]] as const);

function gathers(): Case[] {
  const plain = TABLES.flatMap(([tableRows, rows, width]) =>
    (["f32", "i32", "bool"] as const).map((type): Case => ({
      label: `${rows} rows of ${type}[${tableRows}, ${width}]`,
      inputs: [drawn([tableRows, width], DRAW[type], 1), drawn([rows], rowNumbers(tableRows), 2)],
      f: (table, indices) => core.gather(typed(table, type), indices),
    }))
  );
  const packed = PACKED_TYPES.flatMap((type) =>
    PACKED_COLUMNS[type].map((columns): Case => ({
      label: `rows of ${type}[33, ${columns}]`,
      inputs: [packedMatrix(type, 33, columns), drawn([17], rowNumbers(33), 2)],
      f: (table, indices) => core.gather(core.dense(table), indices),
    }))
  );
  const views = VIEWS.map((view): Case => {
    const { input, operand } = viewed(view, [17, 5], normal, 1);
    return {
      label: `rows of a ${view.label} table`,
      inputs: [input, drawn([9], rowNumbers(17), 2)],
      f: (table, indices) => core.gather(operand(table), core.mul(indices, 1)),
    };
  });
  return [...plain, ...packed, ...views];
}

function scatters(): Case[] {
  const make = (
    type: "f32" | "i32" | "bool",
    mode: "add" | "set",
    [tableRows, rows, width]: readonly [number, number, number],
    indices: Draw,
  ): Case => ({
    label: `${mode} ${rows} rows to ${type}[${tableRows}, ${width}]`,
    inputs: [
      drawn([tableRows, width], DRAW[type], 1),
      drawn([rows], indices, 2),
      drawn([rows, width], DRAW[type], 3),
    ],
    f: (table, at, updates) =>
      core.node({ name: "scatter", attributes: { mode } }, [
        typed(table, type),
        at,
        typed(updates, type),
      ]),
  });
  const repeated = "the gradient of set supposes distinct rows";
  const once = TABLES.flatMap((sizes) => [
    make("f32", "add", sizes, rowNumbers(sizes[0])),
    make("i32", "add", sizes, rowNumbers(sizes[0])),
    make("f32", "set", sizes, distinctRows(sizes[0])),
    make("bool", "set", sizes, distinctRows(sizes[0])),
    { ...make("i32", "set", sizes, rowNumbers(sizes[0])), noGradient: repeated },
    { ...make("f32", "set", sizes, rowNumbers(sizes[0])), noGradient: repeated },
  ]);
  const chained: Case = {
    label: "two after another",
    inputs: [drawn([7, 5], normal, 1), drawn([3], distinctRows(7), 2), drawn([3, 5], normal, 3)],
    f: (table, at, updates) =>
      core.scatterAdd(core.scatterSet(table, at, updates), core.sub(at, 1), core.exp(updates)),
  };
  return [...once, chained];
}

/** Cases of every product and every table operation. */
export const PRODUCT_CASES: {
  readonly [name in "matmul" | "dequantize" | "gather" | "scatter"]: OpCases;
} = {
  matmul: {
    tolerance: { relative: 1e-5, floor: 2e-5 },
    cases: [...products(), ...packedProducts()],
  },
  dequantize: { tolerance: EXACT, cases: dequantizations() },
  gather: { tolerance: EXACT, cases: gathers() },
  scatter: { tolerance: { relative: 3e-7, floor: 1e-6 }, cases: scatters() },
};
