"""The language of the back office; customers read en or es, in Django's own way of writing."""
