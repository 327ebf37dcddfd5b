"""Plans of grids: a whole set of grids over the district, drafted, reviewed, published."""
