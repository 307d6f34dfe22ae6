//! The walls inside the arena: 16 by 16 blocks of 4 m, one bit each.

/// Blocks along a side.
const SIDE: usize = 16;
/// Blocks in all.
const CELLS: usize = SIDE * SIDE;
/// A map with fewer free blocks has no room for a fight.
const FREE_CELLS_MIN: u32 = 32;

/// A checked map: all free blocks hang together and there are enough of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    rows: [u16; SIDE],  // bit x of row y = wall
    cover: [u16; SIDE], // bit x of row y = cover
}

/// Why 16 rows of text are no map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// Not 16 rows of 16.
    #[error("has {rows} rows, the longest {columns} blocks wide")]
    Shape {
        /// Rows found.
        rows: usize,
        /// Blocks in the longest row, or in the first one that is too short.
        columns: usize,
    },
    /// A character that is neither wall, floor nor cover.
    #[error("has `{found}` in row {row}, column {column}")]
    Block {
        /// The character.
        found: char,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
    },
    /// Too little floor.
    #[error("has only {free} free blocks")]
    Cramped {
        /// Free blocks.
        free: u32,
    },
    /// Floor that cannot be reached.
    #[error(
        "has a free block in row {row}, column {column} that cannot be reached from the others"
    )]
    Split {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
    },
}

/// The maps that rules can name; the first is the default. Each equals itself mirrored either way.
pub const BUILT_IN: [(&str, [&str; SIDE]); 5] = [
    ("crossfire", CROSSFIRE),
    ("pillars", PILLARS),
    ("rooms", ROOMS),
    ("open", ["................"; SIDE]),
    ("fort", FORT),
];

const CROSSFIRE: [&str; SIDE] = [
    "................",
    "................",
    "..##........##..",
    "..#..........#..",
    "......#..#......",
    ".....##..##.....",
    "....#......#....",
    ".......##.......",
    ".......##.......",
    "....#......#....",
    ".....##..##.....",
    "......#..#......",
    "..#..........#..",
    "..##........##..",
    "................",
    "................",
];
const PILLARS: [&str; SIDE] = [
    "................",
    "................",
    "..#..#....#..#..",
    "................",
    "................",
    "..#..#....#..#..",
    "................",
    ".......##.......",
    ".......##.......",
    "................",
    "..#..#....#..#..",
    "................",
    "................",
    "..#..#....#..#..",
    "................",
    "................",
];
const ROOMS: [&str; SIDE] = [
    "................",
    ".####..##..####.",
    ".#....#..#....#.",
    ".#............#.",
    ".#...##..##...#.",
    "....#......#....",
    "..#..........#..",
    ".#.....##.....#.",
    ".#.....##.....#.",
    "..#..........#..",
    "....#......#....",
    ".#...##..##...#.",
    ".#............#.",
    ".#....#..#....#.",
    ".####..##..####.",
    "................",
];

const FORT: [&str; SIDE] = [
    "................",
    ".oo..........oo.",
    ".o..##....##..o.",
    "....#......#....",
    "..#....oo....#..",
    "..#..#....#..#..",
    ".....#.oo.#.....",
    "...o...##...o...",
    "...o...##...o...",
    ".....#.oo.#.....",
    "..#..#....#..#..",
    "..#....oo....#..",
    "....#......#....",
    ".o..##....##..o.",
    ".oo..........oo.",
    "................",
];

impl Map {
    /// Returns the built-in map called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (_, rows) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Self::parse(rows).ok()
    }

    /// Reads 16 rows of 16 blocks, `#` wall, `.` floor and `o` floor with cover, the first row at y = 0.
    ///
    /// # Errors
    /// The first thing that makes the rows no map.
    pub fn parse(rows: &[&str]) -> Result<Self, MapError> {
        let odd = rows.iter().map(|row| row.chars().count()).find(|columns| *columns != SIDE);
        if rows.len() != SIDE || odd.is_some() {
            return Err(MapError::Shape { rows: rows.len(), columns: odd.unwrap_or(SIDE) });
        }
        let mut map = Self { rows: [0; SIDE], cover: [0; SIDE] };
        for (row, text) in rows.iter().enumerate() {
            for (column, block) in text.chars().enumerate() {
                match block {
                    '#' => map.rows[row] |= 1 << column,
                    'o' => map.cover[row] |= 1 << column,
                    '.' => {}
                    found => return Err(MapError::Block { found, row, column }),
                }
            }
        }
        map.checked()
    }

    fn checked(self) -> Result<Self, MapError> {
        let free = self.free_cells().count() as u32;
        if free < FREE_CELLS_MIN {
            return Err(MapError::Cramped { free });
        }
        let first = self.free_cells().next().unwrap_or_default();
        let mut reached = Region::of_cell(first);
        while reached.grow(&self) {}
        match self.free_cells().find(|cell| !reached.contains(*cell)) {
            Some(cell) => Err(MapError::Split {
                row: usize::from(cell) / SIDE,
                column: usize::from(cell) % SIDE,
            }),
            None => Ok(self),
        }
    }

    /// Says whether block `cell` = row * 16 + column is a wall.
    #[inline]
    #[must_use]
    pub fn is_wall(&self, cell: u8) -> bool {
        self.rows[usize::from(cell) / SIDE] >> (usize::from(cell) % SIDE) & 1 != 0
    }

    /// Returns the free blocks in order.
    pub fn free_cells(&self) -> impl Iterator<Item = u8> {
        (0..CELLS as u32).map(|cell| cell as u8).filter(|cell| !self.is_wall(*cell))
    }

    /// Says whether block `cell` is cover: floor on which half the damage is kept off.
    #[must_use]
    pub fn is_cover(&self, cell: u8) -> bool {
        self.cover[usize::from(cell) / SIDE] >> (usize::from(cell) % SIDE) & 1 != 0
    }

    /// Returns the walls as 256 bits in 8 words: bit `cell & 31` of word `cell >> 5`.
    #[must_use]
    pub fn words(&self) -> [u32; 8] {
        words_of(&self.rows)
    }

    /// Returns the cover as 256 bits in 8 words, likewise.
    #[must_use]
    pub fn cover_words(&self) -> [u32; 8] {
        words_of(&self.cover)
    }

    /// Returns the rows, bit x = wall.
    pub(crate) fn rows(&self) -> [u16; SIDE] {
        self.rows
    }

    /// Returns the rows as text, as [`Map::parse`] reads them.
    #[must_use]
    pub fn to_rows(&self) -> Vec<String> {
        let block = |row: usize, column: usize| match (self.rows[row], self.cover[row]) {
            (walls, _) if walls >> column & 1 != 0 => '#',
            (_, cover) if cover >> column & 1 != 0 => 'o',
            _ => '.',
        };
        (0..SIDE).map(|row| (0..SIDE).map(|column| block(row, column)).collect()).collect()
    }
}

fn words_of(rows: &[u16; SIDE]) -> [u32; 8] {
    std::array::from_fn(|i| u32::from(rows[2 * i]) | u32::from(rows[2 * i + 1]) << 16)
}

/// A set of blocks that grows one step at a time over the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    rows: [u16; SIDE],
}

impl Region {
    /// Returns the region of one block.
    pub(crate) fn of_cell(cell: u8) -> Self {
        let mut rows = [0; SIDE];
        rows[usize::from(cell) / SIDE] = 1 << (usize::from(cell) % SIDE);
        Self { rows }
    }

    /// Says whether `cell` belongs to the region.
    pub(crate) fn contains(&self, cell: u8) -> bool {
        self.rows[usize::from(cell) / SIDE] >> (usize::from(cell) % SIDE) & 1 != 0
    }

    /// Adds the free blocks next to the region, and says whether there were any.
    pub(crate) fn grow(&mut self, map: &Map) -> bool {
        let old = *self;
        for row in 0..SIDE {
            let above = if row > 0 { old.rows[row - 1] } else { 0 };
            let below = if row + 1 < SIDE { old.rows[row + 1] } else { 0 };
            let own = old.rows[row];
            self.rows[row] |= (own << 1 | own >> 1 | above | below) & !map.rows[row];
        }
        *self != old
    }
}

#[cfg(test)]
mod tests {
    use super::{BUILT_IN, Map, MapError, SIDE};

    #[test]
    fn every_built_in_map_is_sound_and_symmetric() {
        for (name, rows) in BUILT_IN {
            let map = Map::parse(&rows).unwrap_or_else(|e| panic!("{name} {e}"));
            let mirrored: Vec<String> =
                rows.iter().map(|row| row.chars().rev().collect()).collect();
            assert_eq!(map.to_rows(), mirrored, "{name} left to right");
            let flipped: Vec<String> = rows.iter().rev().map(|row| (*row).to_owned()).collect();
            assert_eq!(map.to_rows(), flipped, "{name} top to bottom");
        }
    }

    #[test]
    fn a_map_that_cannot_be_played_is_refused() {
        let mut rows = vec!["................"; SIDE];
        assert_eq!(Map::parse(&rows[1..]), Err(MapError::Shape { rows: 15, columns: 16 }));
        rows[3] = "...x............";
        assert_eq!(Map::parse(&rows), Err(MapError::Block { found: 'x', row: 3, column: 3 }));
        rows[3] = "################";
        assert_eq!(Map::parse(&rows), Err(MapError::Split { row: 4, column: 0 }));
        assert_eq!(Map::parse(&["################"; SIDE]), Err(MapError::Cramped { free: 0 }));
    }

    #[test]
    fn words_and_blocks_agree() {
        let map = Map::named("crossfire").unwrap();
        for cell in 0..=255u8 {
            let bit = map.words()[usize::from(cell >> 5)] >> (cell & 31) & 1;
            assert_eq!(bit != 0, map.is_wall(cell), "{cell}");
        }
    }
}
