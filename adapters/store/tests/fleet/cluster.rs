//! Three servers, of which any one may die.
