//! What we owe and what we hold.
