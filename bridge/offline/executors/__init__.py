"""What runs in the Python processes of Spark's executors, which get a bundle from the driver and keep its model."""
