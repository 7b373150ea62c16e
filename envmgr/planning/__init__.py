"""What is wanted against what is there, field by field: a plan as data; pure, it asks nobody and changes nothing."""
