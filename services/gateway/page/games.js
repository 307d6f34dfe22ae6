// The games this page can play, by the name that a start gives.

import { Arena } from "./games/arena.js";
import { Snakes } from "./games/snakes.js";

export const GAMES = { arena: Arena, snakes: Snakes };
