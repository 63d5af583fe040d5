//! What is peculiar to Windows.
