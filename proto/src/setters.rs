//! A `with_…` for each field of a configuration, so that one can be made in a chain.

macro_rules! setters {
    ($name:ident { $($with:ident $field:ident: $ty:ty),* $(,)? }) => {
        impl $name {
            $(
                #[doc = concat!("The same with another [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $with(mut self, $field: $ty) -> $name {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

pub(crate) use setters;
