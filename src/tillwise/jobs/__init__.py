"""Work that runs beside the road: training, scoring, exports."""
